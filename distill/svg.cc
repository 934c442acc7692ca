#include "distill/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

namespace distill {
namespace {

constexpr double kWidth = 720, kHeight = 400;
constexpr double kLeft = 72, kRight = 24, kTop = 44, kBottom = 56;
constexpr std::array kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string number(double value) {
  std::array<char, 32> buffer;
  std::snprintf(buffer.data(), buffer.size(), "%.6g", value);
  return buffer.data();
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

// The values shown on an axis, and their place on the page.
class Axis {
 public:
  Axis(double low, double high, double from, double to) : from_(from), to_(to) {
    if (!(low < high)) {
      low -= 0.5;
      high += 0.5;
    }
    // The smallest of 1, 2, 5 times a power of ten that needs at most six steps.
    const double power = std::pow(10, std::floor(std::log10((high - low) / 6)));
    for (const double factor : {1, 2, 5, 10}) {
      step_ = factor * power;
      if ((high - low) / step_ <= 6) break;
    }
    low_ = std::floor(low / step_ + 1e-9) * step_;
    high_ = std::ceil(high / step_ - 1e-9) * step_;
  }

  double place(double value) const {
    return from_ + (value - low_) / (high_ - low_) * (to_ - from_);
  }

  std::vector<double> ticks() const {
    std::vector<double> out;
    const auto count = static_cast<int>(std::lround((high_ - low_) / step_));
    for (int i = 0; i <= count; ++i) out.push_back(low_ + i * step_);
    return out;
  }

 private:
  double from_, to_, low_ = 0, high_ = 1, step_ = 1;
};

std::string line(double x1, double y1, double x2, double y2, const std::string& color) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" stroke=\"" + color + "\"/>\n";
}

std::string text(double x, double y, const std::string& anchor, const std::string& words,
                 const std::string& more = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + escaped(words) + "</text>\n";
}

std::string curve(const Series& series, const Axis& x, const Axis& y, const std::string& color) {
  std::string points;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) continue;
    points += number(x.place(series.x[i])) + "," + number(y.place(series.y[i])) + " ";
  }
  return "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + color + "\" points=\"" + points +
         "\"/>\n";
}

}  // namespace

std::string line_chart(const std::string& title, const std::string& x_label,
                       const std::string& y_label, const std::vector<Series>& series) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double x_low = kInfinity, x_high = -kInfinity, y_low = kInfinity, y_high = -kInfinity;
  for (const Series& s : series) {
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (!std::isfinite(s.x[i]) || !std::isfinite(s.y[i])) continue;
      x_low = std::min(x_low, s.x[i]);
      x_high = std::max(x_high, s.x[i]);
      y_low = std::min(y_low, s.y[i]);
      y_high = std::max(y_high, s.y[i]);
    }
  }
  if (x_low > x_high) x_low = y_low = 0, x_high = y_high = 1;
  const double right = kWidth - kRight, bottom = kHeight - kBottom;
  const Axis x(x_low, x_high, kLeft, right), y(y_low, y_high, bottom, kTop);

  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) +
                    " " + number(kHeight) + "\" font-family=\"sans-serif\" font-size=\"13\">\n" +
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  out += text(kWidth / 2, 24, "middle", title, " font-size=\"16\"");
  for (const double tick : x.ticks()) {
    out += line(x.place(tick), kTop, x.place(tick), bottom, "#e5e5e5");
    out += text(x.place(tick), bottom + 18, "middle", number(tick));
  }
  for (const double tick : y.ticks()) {
    out += line(kLeft, y.place(tick), right, y.place(tick), "#e5e5e5");
    out += text(kLeft - 8, y.place(tick) + 4, "end", number(tick));
  }
  out +=
      line(kLeft, kTop, kLeft, bottom, "#333333") + line(kLeft, bottom, right, bottom, "#333333");
  out += text((kLeft + right) / 2, kHeight - 14, "middle", x_label);
  const double middle = (kTop + bottom) / 2;
  out +=
      text(18, middle, "middle", y_label, " transform=\"rotate(-90 18 " + number(middle) + ")\"");
  for (size_t i = 0; i < series.size(); ++i) {
    const std::string color = kColors[i % kColors.size()];
    out += curve(series[i], x, y, color);
    const double row = kTop + 18 + 18 * static_cast<double>(i);
    out += line(kLeft + 14, row - 4, kLeft + 38, row - 4, color) +
           text(kLeft + 44, row, "start", series[i].name);
  }
  return out + "</svg>\n";
}

}  // namespace distill
