#include "base/error.hpp"
#include "output/layout.hpp"
#include "output/output.hpp"
#include "output/svg_style.hpp"
#include "output/text.hpp"
#include "output/units.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace profcore {
namespace {

constexpr size_t kReportEvery = 1 << 16;
constexpr double kMargin = 10;
constexpr double kRowHeight = 17;
constexpr int64_t kBarHeight = 16;
constexpr double kCharWidth = 6.62; // of the 11 px monospace font
constexpr double kTextPadding = 3;

struct Bar {
  uint32_t node;
  double x;
  double width;
};

/// The bars wide enough to draw, in preorder. The subtree of one that is not is jumped over.
class Layout {
public:
  Layout(const FlameTree &tree, const RenderOptions &options) {
    const PodVector<int64_t> widths = layout_widths(tree, tree.total);
    if (tree.size() == 0 || widths[0] == 0) return;
    const double graph_width = static_cast<double>(options.width) - 2 * kMargin;
    const double scale = graph_width / static_cast<double>(widths[0]);
    PodVector<double> next; // by depth: where the next child of the open node above starts
    next.resize(2, kMargin);
    bars.push_back({0, kMargin, graph_width});
    for (uint32_t node = 1; node < tree.size();) {
      if (node % kReportEvery == 0) options.context.report(node, tree.size() * 2);
      const double width = static_cast<double>(widths[node]) * scale;
      const uint32_t depth = tree.depth[node];
      const double x = next[depth];
      next[depth] = x + width;
      if (width <= 0 || width < options.min_width_px) {
        (width <= 0 ? without_width : left_out) += tree.subtree_end[node] - node;
        node = tree.subtree_end[node];
        continue;
      }
      if (next.size() < size_t{depth} + 2) next.push_back(x);
      next[depth + 1] = x;
      bars.push_back({node, x, width});
      deepest = std::max(deepest, depth);
      ++node;
    }
  }

  PodVector<Bar> bars;
  uint32_t deepest = 0;
  uint64_t left_out = 0;
  uint64_t without_width = 0; ///< nothing but zero and negative values; in a diff: only before
};

class SvgWriter {
public:
  SvgWriter(const FlameTree &tree, const RenderOptions &options, Buffer &output)
      : tree_{tree}, options_{options}, output_{output}, unit_{tree.strings[tree.unit]},
        layout_{tree, options} {
    top_ = subtitle().empty() ? 40 : 56;
    height_ = top_ + (layout_.deepest + 1.0) * kRowHeight + 30;
  }

  void write() {
    constexpr size_t kUsualBar = 192; // bytes
    output_.reserve_more(layout_.bars.size() * kUsualBar);
    write_head();
    for (size_t i = 0; i < layout_.bars.size(); ++i) {
      if (i % kReportEvery == 0)
        options_.context.report(layout_.bars.size() + i, layout_.bars.size() * 2);
      write_bar(layout_.bars[i]);
    }
    write_foot();
    append("</svg>\n", output_);
  }

private:
  template <class... Args> void print(fmt::format_string<Args...> format, Args &&...args) {
    line_.clear();
    fmt::format_to(fmt::appender(line_), format, std::forward<Args>(args)...);
    output_.put(line_.data(), line_.size());
  }

  std::string subtitle() const {
    if (!options_.subtitle.empty()) return std::string{options_.subtitle};
    std::string text{tree_.strings[tree_.type]};
    if (tree_.size() == 0) return text;
    if (!text.empty()) text += ": ";
    text += humanise_named(tree_.total[0], unit_);
    if (tree_.is_diff()) {
      text += ", before " + humanise_named(tree_.base_total[0], unit_);
      if (tree_.normalised) text += " (normalised)";
    }
    return text;
  }
  std::string_view title() const {
    if (!options_.title.empty()) return options_.title;
    return tree_.is_diff() ? "Differential flame graph" : "Flame graph";
  }

  void write_head() {
    print("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{0}\" height=\"{1:.0f}\" "
          "viewBox=\"0 0 {0} {1:.0f}\">\n<title>",
          options_.width, height_);
    append_xml(title(), output_);
    append("</title>\n<desc>", output_);
    bool is_first = true;
    for (const auto &[key, value] : tree_.meta) {
      if (!is_first) append("; ", output_);
      is_first = false;
      append_xml(tree_.strings[key], output_);
      append(": ", output_);
      append_xml(tree_.strings[value], output_);
    }
    append("</desc>\n<style>", output_);
    append_stylesheet(tree_.is_diff(), output_);
    append("</style>\n<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n", output_);
    print("<text class=\"h\" x=\"{}\" y=\"27\" text-anchor=\"middle\">", options_.width / 2);
    append_line(title(), 9.6);
    append("</text>\n", output_);
    if (const std::string text = subtitle(); !text.empty()) {
      print("<text class=\"d\" x=\"{}\" y=\"44\" text-anchor=\"middle\">", options_.width / 2);
      append_line(text, 6.4);
      append("</text>\n", output_);
    }
  }

  /// Text of a whole line, cut to the picture.
  void append_line(std::string_view text, double char_width) {
    clean_.clear();
    append_clean(text, clean_);
    const double room = (static_cast<double>(options_.width) - 2 * kMargin) / char_width;
    append_xml(cut_to_width(clean_, static_cast<size_t>(std::max(room, 1.0)), cut_), output_);
  }

  std::string style_of(uint32_t node) const {
    if (tree_.is_diff())
      return node == 0 ? "root"
                       : diff_style(tree_.total[node], tree_.total[0], tree_.base_total[node],
                                    tree_.base_total[0]);
    return node == 0 ? "root"
                     : frame_style(tree_.frames[tree_.frame[node]].kind, tree_.name_of(node));
  }

  void write_bar(const Bar &bar) {
    const uint32_t depth = tree_.depth[bar.node];
    const double row = options_.icicle ? depth : layout_.deepest - depth;
    const auto y = static_cast<int64_t>(top_ + row * kRowHeight); // whole, as all it is made of
    append("<g><title>", output_);
    write_tooltip(bar.node);
    // Half a pixel between neighbours, as long as there is something to take it from.
    const double drawn = bar.width > 2 ? bar.width - 0.5 : bar.width;
    append("</title><rect class=\"", output_);
    append(style_of(bar.node), output_);
    append("\" x=\"", output_);
    append_hundredths(bar.x, output_);
    append("\" y=\"", output_);
    append_integer(y, output_);
    append("\" width=\"", output_);
    append_hundredths(drawn, output_);
    append("\" height=\"", output_);
    append_integer(kBarHeight, output_);
    append(drawn > 6 ? "\" rx=\"2\"/>" : "\" rx=\"0\"/>", output_);
    const double room = (bar.width - 2 * kTextPadding) / kCharWidth;
    if (room >= 3) {
      clean_.clear();
      append_clean(tree_.name_of(bar.node), clean_);
      append("<text x=\"", output_);
      append_hundredths(bar.x + kTextPadding, output_);
      append("\" y=\"", output_);
      append_integer(y + 12, output_);
      append("\">", output_);
      append_xml(cut_to_width(clean_, static_cast<size_t>(room), cut_), output_);
      append("</text>", output_);
    }
    append("</g>\n", output_);
    if (output_.size() > options_.context.limits.max_result_bytes)
      throw Error{Status::kLimit, "SVG: the output is over its limit"};
  }

  void write_tooltip(uint32_t node) {
    const FlameFrame &frame = tree_.frames[tree_.frame[node]];
    append_xml(tree_.name_of(node), output_);
    if (frame.file != 0) {
      append("\n", output_);
      append_xml(tree_.strings[frame.file], output_);
      if (frame.line != 0) print(":{}", frame.line);
    }
    if (frame.module != 0 && frame.module != frame.name) {
      append("\n", output_);
      append_xml(tree_.strings[frame.module], output_);
    }
    const int64_t total = tree_.total[node];
    append("\n", output_);
    write_value(total);
    if (tree_.self[node] != 0 && tree_.self[node] != total) {
      append(" (self ", output_);
      write_value(tree_.self[node]);
      append(")", output_);
    }
    if (!tree_.is_diff()) return;
    const int64_t base = tree_.base_total[node];
    if (base == 0 && total != 0) return append("\nnew", output_);
    print("\nbefore {}, {}; change {}", humanise_named(base, unit_),
          format_share(base, tree_.base_total[0]), humanise_difference(total, base, unit_));
  }

  void write_value(int64_t value) {
    append(humanise_named(value, unit_), output_);
    append(", ", output_);
    append(format_share(value, tree_.total[0]), output_);
  }

  void write_foot() {
    std::string note;
    if (layout_.bars.empty()) note = "no data";
    const auto add = [&](const std::string &text) {
      if (!note.empty()) note += "; ";
      note += text;
    };
    if (layout_.left_out != 0)
      add(fmt::format("{} narrower than {:g} px not drawn", counted(layout_.left_out, "frame"),
                      options_.min_width_px));
    if (tree_.pruned_nodes != 0)
      add(fmt::format("{} pruned ({})", counted(tree_.pruned_nodes, "small subtree"),
                      humanise_named(tree_.pruned_value, unit_)));
    if (layout_.without_width != 0)
      add(fmt::format("{} {}", counted(layout_.without_width, "frame"),
                      tree_.is_diff() ? "only in the profile before" : "without a positive value"));
    if (tree_.saturated) add("sums beyond 64 bits were cut off");
    if (tree_.is_diff() && !layout_.bars.empty())
      add("red: the share grew, blue: it shrank, purple: new");
    if (note.empty()) return;
    print("<text class=\"d\" x=\"{:.0f}\" y=\"{:.0f}\">", kMargin, height_ - 12);
    append_line(note, 6.4);
    append("</text>\n", output_);
  }

  static std::string counted(uint64_t count, const char *noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
  }

  const FlameTree &tree_;
  const RenderOptions &options_;
  Buffer &output_;
  std::string_view unit_;
  Layout layout_;
  double top_ = 0;
  double height_ = 0;
  fmt::memory_buffer line_;
  std::string clean_;
  std::string cut_;
};

} // namespace

void write_svg(const FlameTree &tree, const RenderOptions &options, Buffer &output) {
  if (options.width < 100 || options.width > 100'000)
    throw Error{Status::kInvalidArgument, "the width of an SVG must be 100 to 100000"};
  SvgWriter{tree, options, output}.write();
}

} // namespace profcore
