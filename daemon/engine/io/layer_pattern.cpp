#include "engine/io/layer_pattern.hpp"

#include <algorithm>
#include <limits>

namespace gpumodel::engine::io {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kDefaultMaxWindowLayers = 28;     // Qwen2Config, Qwen3Config
constexpr std::int64_t kDefaultNoRopeLayerInterval = 4;  // SmolLM3Config

constexpr const char* kFull = "full_attention";
constexpr const char* kSliding = "sliding_attention";

class Pattern {
 public:
  Pattern(const ConfigFields& config, const ConfigRules& rules, std::int32_t layers)
      : config_(config), rules_(rules), count_(static_cast<std::size_t>(layers)) {}

  std::vector<LayerConfig> read() {
    read_roped();
    sliding_.assign(count_, false);
    follow_rule();
    obey_layer_types();
    std::vector<LayerConfig> layers(count_);
    for (std::size_t i = 0; i < count_; ++i) {
      if (sliding_[i]) layers[i].window = required_window();
      if (sliding_[i] && rules_.rope.default_local_theta > 0.0) layers[i].rope = 1;
      if (!roped_[i]) layers[i].rope = LayerConfig::kNoRope;
    }
    return layers;
  }

 private:
  void read_roped() {
    roped_.assign(count_, true);
    if (!rules_.rope.skips_layers) return;
    const nlohmann::json* list = config_.find("no_rope_layers");
    if (list == nullptr) {
      const auto interval =
          static_cast<std::size_t>(config_.integer("no_rope_layer_interval", 1, kMost)
                                       .value_or(kDefaultNoRopeLayerInterval));
      for (std::size_t i = 0; i < count_; ++i) roped_[i] = (i + 1) % interval != 0;
      return;
    }
    if (!list->is_array() || list->size() < count_) {
      config_.fail("no_rope_layers",
                   "is not an array of " + std::to_string(count_) + " numbers, one for each layer");
    }
    for (std::size_t i = 0; i < count_; ++i) {
      const nlohmann::json& value = (*list)[i];
      if (value != 0 && value != 1) {
        config_.fail("no_rope_layers", "has " + shown_value(value) + ", expected 0 or 1");
      }
      roped_[i] = value == 1;
    }
  }

  // None: no window. Absent and null are different things here.
  std::int32_t window() const {
    if (config_.is_null("sliding_window")) return 0;
    return static_cast<std::int32_t>(
        config_.integer("sliding_window", 1, kMost).value_or(rules_.default_window));
  }

  std::int32_t required_window() const {
    const std::int32_t tokens = is_switched_off() ? 0 : window();
    if (tokens == 0) {
      config_.fail("sliding_window", "is not set, but layers have " + std::string(kSliding));
    }
    return tokens;
  }

  // Where these read it, use_sliding_window takes the window away from all layers.
  bool is_switched_off() const {
    return rules_.window == WindowRule::later_layers &&
           !config_.boolean("use_sliding_window").value_or(false);
  }

  // What the layers are where layer_types does not say.
  void follow_rule() {
    switch (rules_.window) {
      case WindowRule::never:
        return;
      case WindowRule::every_layer:
        sliding_.assign(count_, window() > 0);
        return;
      case WindowRule::later_layers: {
        if (is_switched_off() || window() == 0) return;
        const auto first = static_cast<std::size_t>(
            config_.integer("max_window_layers", 0, kMost).value_or(kDefaultMaxWindowLayers));
        for (std::size_t i = first; i < count_; ++i) sliding_[i] = true;
        return;
      }
      case WindowRule::unroped_layers:
        if (!config_.boolean("use_sliding_window").value_or(false) || window() == 0) return;
        for (std::size_t i = 0; i < count_; ++i) sliding_[i] = !roped_[i];
        return;
      case WindowRule::alternating: {
        std::int64_t every = rules_.default_window_pattern;
        if (rules_.reads_window_pattern) {
          every = config_.integer("sliding_window_pattern", 1, kMost).value_or(every);
        }
        for (std::size_t i = 0; i < count_; ++i) {
          sliding_[i] = (i + 1) % static_cast<std::size_t>(every) != 0;
        }
        return;
      }
    }
  }

  // layer_types overrides the rule, but for architectures whose layers are all alike.
  void obey_layer_types() {
    const nlohmann::json* types = config_.find("layer_types");
    if (types == nullptr) return;
    if (!types->is_array() || types->size() != count_) {
      config_.fail("layer_types",
                   "is not an array of " + std::to_string(count_) + " names, one for each layer");
    }
    const bool all_alike =
        rules_.window == WindowRule::never || rules_.window == WindowRule::every_layer;
    for (std::size_t i = 0; i < count_; ++i) {
      const nlohmann::json& type = (*types)[i];
      const bool slides = type == kSliding;
      if ((!slides && type != kFull) || (all_alike && slides != sliding_[i])) {
        config_.unsupported("layer_types", shown_value(type) + " of layer " + std::to_string(i));
      }
      sliding_[i] = slides;
    }
  }

  const ConfigFields& config_;
  const ConfigRules& rules_;
  const std::size_t count_;
  std::vector<bool> roped_, sliding_;
};

}  // namespace

std::vector<LayerConfig> read_layers(const ConfigFields& config, const ConfigRules& rules,
                                     std::int32_t layers) {
  return Pattern(config, rules, layers).read();
}

}  // namespace gpumodel::engine::io
