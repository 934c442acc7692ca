#pragma once

/// Pictures for reports.

#include <string>
#include <vector>

namespace distill {

/// One line of a chart.
struct Series {
  std::string name;
  std::vector<double> x, y;  // of equal length; points that are not finite are left out
};

/// A chart of lines with axes, ticks and a legend, as an SVG document.
std::string line_chart(const std::string& title, const std::string& x_label,
                       const std::string& y_label, const std::vector<Series>& series);

}  // namespace distill
