#include "rl/safetensors.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "rl/torch.h"

namespace rl {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

class Safetensors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("decant_safetensors_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name = "x.safetensors") const { return folder_ / name; }

  // A file from its parts, sound or not.
  std::string write(const std::string& header, const std::string& data) const {
    const uint64_t length = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return write_bytes(bytes + header + data);
  }

  std::string write_bytes(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary) << bytes;
    return path();
  }

  static std::string read_bytes(const std::string& file) {
    std::ostringstream bytes;
    bytes << std::ifstream(file, std::ios::binary).rdbuf();
    return bytes.str();
  }

  // What opening a file of these parts says. The message names the file and is one line.
  std::string error_of(const std::string& header, const std::string& data) const {
    return error_of_file(write(header, data));
  }

  static std::string error_of_file(const std::string& file) {
    try {
      const SafetensorsFile opened(file);
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(file), Not(HasSubstr("\n"))));
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
};

TEST_F(Safetensors, WhatIsWrittenIsRead) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto dtype :
       {torch::kBool, torch::kUInt8, torch::kInt8, torch::kInt16, torch::kInt32, torch::kInt64,
        torch::kBFloat16, torch::kFloat16, torch::kFloat32, torch::kFloat64}) {
    tensors.emplace_back(c10::toString(dtype), torch::arange(3).sub(1).to(dtype).reshape({3, 1}));
  }
  write_safetensors(path(), tensors);
  const SafetensorsFile file(path());
  ASSERT_EQ(file.names().size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(file.names()[i], tensors[i].first);
    const Tensor read = file.tensor(tensors[i].first);
    EXPECT_EQ(read.scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE(read.equal(tensors[i].second)) << tensors[i].first;
  }
  EXPECT_FALSE(std::filesystem::exists(path() + ".partial"));
}

TEST_F(Safetensors, KeepsMetadataAndOrder) {
  write_safetensors(path(), {{"z", torch::ones({2})}, {"a", torch::zeros({1, 0, 3})}},
                    {{"format", "pt"}, {"step", "7"}});
  const SafetensorsFile file(path());
  EXPECT_THAT(file.names(), ElementsAre("z", "a"));
  EXPECT_THAT(file.metadata(), ElementsAre(Pair("format", "pt"), Pair("step", "7")));
  EXPECT_TRUE(file.contains("a"));
  EXPECT_FALSE(file.contains("__metadata__"));
  EXPECT_EQ(file.tensor("a").sizes(), (std::vector<int64_t>{1, 0, 3}));
}

TEST_F(Safetensors, KeepsScalarsAndAnEmptyFile) {
  write_safetensors(path(), {{"s", torch::tensor(2.5)}});
  EXPECT_EQ(SafetensorsFile(path()).tensor("s").item<float>(), 2.5F);
  write_safetensors(path(), {});
  EXPECT_TRUE(SafetensorsFile(path()).names().empty());
}

TEST_F(Safetensors, WritesViewsAsTheyLook) {
  const Tensor matrix = torch::arange(6).reshape({2, 3});
  write_safetensors(path(), {{"t", matrix.t()}, {"row", matrix[1]}});
  EXPECT_TRUE(SafetensorsFile(path()).tensor("t").equal(matrix.t()));
  EXPECT_TRUE(SafetensorsFile(path()).tensor("row").equal(matrix[1]));
}

TEST_F(Safetensors, TensorsOutliveTheFileObjectAndShareOneMapping) {
  write_safetensors(path(), {{"x", torch::arange(1000)}});
  Tensor first, second;
  {
    const SafetensorsFile file(path());
    first = file.tensor("x");
    second = file.tensor("x");
  }
  std::filesystem::remove(path());
  EXPECT_EQ(first.data_ptr(), second.data_ptr());
  EXPECT_TRUE(first.equal(torch::arange(1000)));
}

TEST_F(Safetensors, WritingIntoATensorLeavesTheFileAlone) {
  write_safetensors(path(), {{"x", torch::zeros({4})}});
  SafetensorsFile(path()).tensor("x").fill_(1);
  EXPECT_EQ(SafetensorsFile(path()).tensor("x").sum().item<float>(), 0);
}

TEST_F(Safetensors, CopiesBytesThatAreNotAligned) {
  std::string data(1 + 8, '\0');
  const double value = 1.5;
  std::memcpy(data.data() + 1, &value, 8);
  const SafetensorsFile file(write(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                   R"("b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})",
                                   data));
  const Tensor b = file.tensor("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data_ptr()) % 8, 0U);
  EXPECT_EQ(b.item<double>(), 1.5);
}

TEST_F(Safetensors, AlignsWhatItWrites) {
  write_safetensors(path(), {{"flag", torch::ones({3}, torch::kBool)},
                             {"half", torch::ones({3}, torch::kBFloat16)},
                             {"wide", torch::ones({3}, torch::kFloat64)}});
  const SafetensorsFile file(path());
  for (const std::string& name : file.names()) {
    EXPECT_EQ(file.tensor(name).data_ptr(), file.tensor(name).data_ptr()) << name << " was copied";
  }
}

TEST_F(Safetensors, NamesATensorThatIsMissing) {
  write_safetensors(path(), {{"x", torch::zeros({1})}});
  const SafetensorsFile file(path());
  try {
    file.tensor("lm_head.weight");
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), path() +
                                ": tensor \"lm_head.weight\": expected in the file, not found "
                                "among its 1 tensors");
  }
}

TEST_F(Safetensors, RefusesAFileThatIsNotThere) {
  EXPECT_THAT(error_of_file(path("none")), HasSubstr("cannot open: No such file"));
  EXPECT_THAT(error_of_file(folder_), HasSubstr("expected a file"));
}

TEST_F(Safetensors, RefusesATruncatedFile) {
  EXPECT_THAT(error_of_file(write_bytes("abc")), HasSubstr("expected at least 8 bytes, found 3"));
  write_safetensors(path(), {{"x", torch::zeros({4})}});
  const std::string bytes = read_bytes(path());
  EXPECT_THAT(error_of_file(write_bytes(bytes.substr(0, 20))),
              HasSubstr("truncated: expected a header of"));
  EXPECT_THAT(error_of_file(write_bytes(bytes.substr(0, bytes.size() - 1))),
              AllOf(HasSubstr("tensor \"x\""), HasSubstr("within the 15 bytes"),
                    HasSubstr("end at 16"), HasSubstr("truncated")));
}

TEST_F(Safetensors, RefusesAHeaderLengthThatCannotBe) {
  EXPECT_THAT(error_of_file(write_bytes(std::string(8, '\xff') + "{}")),
              AllOf(HasSubstr("at most 100000000 bytes"), HasSubstr("18446744073709551615")));
  std::string bytes(8, '\0');
  bytes[0] = 3;
  EXPECT_THAT(error_of_file(write_bytes(bytes + "{}")),
              HasSubstr("expected a header of 3 bytes, found 2"));
}

TEST_F(Safetensors, RefusesBadJson) {
  EXPECT_THAT(error_of("{\"x\":\n", ""), HasSubstr("expected a JSON header"));
  EXPECT_THAT(error_of("[1]", ""), HasSubstr("expected a JSON object as header, found [1]"));
  EXPECT_THAT(error_of("{\"\xff\":1}", ""), HasSubstr("expected a JSON header"));
  EXPECT_THAT(error_of("", ""), HasSubstr("expected a JSON header"));
}

TEST_F(Safetensors, RefusesMetadataThatIsNotStrings) {
  EXPECT_THAT(error_of(R"({"__metadata__":{"a":1}})", ""), HasSubstr("strings in __metadata__"));
  EXPECT_THAT(error_of(R"({"__metadata__":["a"]})", ""), HasSubstr("strings in __metadata__"));
}

TEST_F(Safetensors, RefusesAnEntryWithoutItsKeys) {
  EXPECT_THAT(error_of(R"({"x":3})", ""),
              AllOf(HasSubstr("tensor \"x\""), HasSubstr("a key \"dtype\", found 3")));
  EXPECT_THAT(error_of(R"({"x":{"dtype":"F32","data_offsets":[0,0]}})", ""),
              HasSubstr("a key \"shape\""));
  EXPECT_THAT(error_of(R"({"x":{"dtype":"F32","shape":[0]}})", ""),
              HasSubstr("a key \"data_offsets\""));
}

TEST_F(Safetensors, RefusesAnUnknownDtype) {
  EXPECT_THAT(error_of(R"({"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", "x"),
              AllOf(HasSubstr("tensor \"w\""), HasSubstr("expected dtype F64, F32"),
                    HasSubstr("found \"F8_E4M3\"")));
}

TEST_F(Safetensors, RefusesAShapeThatIsNotSizes) {
  for (const char* shape : {"[-1]", "[1.5]", "[\"a\"]", "3", "[18446744073709551615]"}) {
    EXPECT_THAT(error_of(std::string(R"({"w":{"dtype":"U8","shape":)") + shape +
                             R"(,"data_offsets":[0,1]}})",
                         "x"),
                AllOf(HasSubstr("tensor \"w\""), HasSubstr("expected a shape"), HasSubstr(shape)));
  }
}

TEST_F(Safetensors, RefusesOffsetsThatDoNotMatchTheShape) {
  EXPECT_THAT(error_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}})", "1234567"),
              HasSubstr("expected 8 bytes for shape [2] of F32, found data_offsets [0,7]"));
  EXPECT_THAT(error_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "12345678"),
              HasSubstr("found data_offsets [8,0]"));
  EXPECT_THAT(error_of(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "12345678"),
              HasSubstr("expected data_offsets [begin, end], found [0]"));
  EXPECT_THAT(error_of(R"({"w":{"dtype":"F32","shape":[4294967296,4294967296],)"
                       R"("data_offsets":[0,0]}})",
                       ""),
              HasSubstr("too many bytes"));
}

TEST_F(Safetensors, RefusesTensorsThatOverlap) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                       "123456"),
              HasSubstr("tensor \"b\": expected its bytes to begin at 4, found 2: it overlaps"));
}

TEST_F(Safetensors, RefusesHoles) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "12"),
              HasSubstr("expected its bytes to begin at 0, found 1: a hole"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "12"),
              HasSubstr("expected 1 bytes of data, found 2"));
}

TEST_F(Safetensors, RefusesOffsetsBeyondTheFile) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", "12"),
              AllOf(HasSubstr("within the 2 bytes of data"), HasSubstr("an end at 9")));
}

TEST_F(Safetensors, RefusesANameThatOccursTwice) {
  EXPECT_THAT(error_of(R"({"a\n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("a\n":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                       "12"),
              HasSubstr("tensor \"a\\n\": expected once, found twice"));
  EXPECT_THROW(write_safetensors(path(), {{"a", torch::ones({1})}, {"a", torch::ones({1})}}),
               std::invalid_argument);
}

TEST_F(Safetensors, RefusesToWriteATypeWithoutAName) {
  EXPECT_THROW(write_safetensors(path(), {{"a", torch::ones({1}, torch::kComplexFloat)}}),
               std::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(Safetensors, AFullDiskNamesThePathAndLeavesTheOldFileWhole) {
  write_safetensors(path(), {{"x", torch::zeros({4})}});
  const std::string before = read_bytes(path());
  // A limit on the size of files stands for a disk without room.
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    write_safetensors(path(), {{"x", torch::zeros({100'000})}});
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, AllOf(HasSubstr(path()), HasSubstr("cannot write: File too large")));
  EXPECT_EQ(read_bytes(path()), before);
  EXPECT_FALSE(std::filesystem::exists(path() + ".partial"));
}

TEST_F(Safetensors, RefusesAFolderThatIsNotThere) {
  EXPECT_THROW(write_safetensors(path("none/x"), {{"x", torch::zeros({4})}}), std::runtime_error);
}

}  // namespace
}  // namespace rl
