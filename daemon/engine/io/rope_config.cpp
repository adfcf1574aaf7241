#include "engine/io/rope_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/io/printable.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr double kMaxTheta = 1e15;
constexpr double kSmallest = 1e-6;  // of factors
constexpr double kLargest = 1e6;
constexpr double kMaxPosition = 1 << 27;

// What a kind's formula is given.
struct Parameters {
  const ConfigFields& fields;  // where the kind's own keys stand
  double theta;
  std::int32_t dim;                // rotated dimensions of a head, even
  double max_position;             // max_position_embeddings
  double original_max_position;    // of the training before it was extended
  bool has_original_max_position;  // whether the file says so
};

struct Result {
  RopeConfig rope;
  double max_position;
};

// Step by step in float, as transformers computes them.
float power(const Parameters& p, std::int32_t pair) {
  const float exponent = static_cast<float>(2 * pair) / static_cast<float>(p.dim);
  return std::pow(static_cast<float>(p.theta), exponent);
}

RopeConfig plain(const Parameters& p) {
  RopeConfig rope;
  for (std::int32_t i = 0; i < p.dim / 2; ++i) rope.frequencies.push_back(1.0f / power(p, i));
  return rope;
}

Result standard(const Parameters& p) { return {plain(p), p.max_position}; }

Result dynamic(const Parameters& p) {
  p.fields.required_number("factor", kSmallest, kLargest);
  return standard(p);
}

Result linear(const Parameters& p) {
  const auto factor = static_cast<float>(p.fields.required_number("factor", kSmallest, kLargest));
  Result result = standard(p);
  for (float& frequency : result.rope.frequencies) frequency /= factor;
  return result;
}

// Long waves are stretched, short ones are not, those between are in part.
Result llama3(const Parameters& p) {
  const double factor = p.fields.required_number("factor", kSmallest, kLargest);
  const double low = p.fields.required_number("low_freq_factor", kSmallest, kLargest);
  const double high = p.fields.required_number("high_freq_factor", kSmallest, kLargest);
  if (high <= low) p.fields.fail("high_freq_factor", "is not above low_freq_factor");
  Result result = standard(p);
  for (float& frequency : result.rope.frequencies) {
    const double wavelength = 2.0 * std::numbers::pi / double{frequency};
    const double rotations = p.original_max_position / wavelength;
    if (rotations > high) continue;
    const double smooth = std::max(0.0, (rotations - low) / (high - low));
    frequency = static_cast<float>((1.0 - smooth) * double{frequency} / factor +
                                   smooth * double{frequency});
  }
  return result;
}

double yarn_scale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_magnitude(const ConfigFields& fields, double factor) {
  if (const auto given = fields.number("attention_factor", kSmallest, kLargest)) return *given;
  const double mscale = fields.number("mscale", 0.0, kLargest).value_or(0.0);
  const double all = fields.number("mscale_all_dim", 0.0, kLargest).value_or(0.0);
  if (mscale > 0.0 && all > 0.0) return yarn_scale(factor, mscale) / yarn_scale(factor, all);
  return yarn_scale(factor, 1.0);
}

// A number that transformers takes for absent where it is 0.
double nonzero_or(const ConfigFields& fields, const char* key, double otherwise) {
  const double value = fields.number(key, 0.0, kLargest).value_or(0.0);
  return value == 0.0 ? otherwise : value;
}

// Peng et al. 2023, arXiv:2309.00071: pairs that turn more than beta_fast times within the original
// context keep their frequency, those that turn less than beta_slow times are interpolated.
Result yarn(const Parameters& p) {
  if (p.theta <= 1.0) p.fields.fail("rope_theta", "is not above 1");
  const double factor = p.fields.number("factor", kSmallest, kLargest)
                            .value_or(p.max_position / p.original_max_position);
  const auto pair_that_turns = [&](double times) {
    return p.dim * std::log(p.original_max_position / (times * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(p.theta));
  };
  double low = pair_that_turns(nonzero_or(p.fields, "beta_fast", 32.0));
  double high = pair_that_turns(nonzero_or(p.fields, "beta_slow", 1.0));
  if (p.fields.boolean("truncate").value_or(true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, p.dim - 1.0);
  if (low == high) high += 0.001;

  Result result{{}, p.max_position};
  result.rope.magnitude = static_cast<float>(yarn_magnitude(p.fields, factor));
  for (std::int32_t i = 0; i < p.dim / 2; ++i) {
    const auto kept = static_cast<float>(1.0 - std::clamp((i - low) / (high - low), 0.0, 1.0));
    const float interpolated = 1.0f / (static_cast<float>(factor) * power(p, i));
    result.rope.frequencies.push_back(interpolated * (1.0f - kept) + 1.0f / power(p, i) * kept);
  }
  if (p.has_original_max_position) {
    result.max_position = std::clamp(std::floor(factor * p.original_max_position), p.max_position,
                                     std::max(p.max_position, kMaxPosition));
  }
  return result;
}

// Ding et al. 2024, arXiv:2402.13753, with the factors of the original context.
Result longrope(const Parameters& p) {
  const auto pairs = static_cast<std::size_t>(p.dim / 2);
  const std::vector<double> factors =
      p.fields.required_numbers("short_factor", pairs, kSmallest, kLargest);
  p.fields.required_numbers("long_factor", pairs, kSmallest, kLargest);
  const double factor = p.fields.number("factor", kSmallest, kLargest)
                            .value_or(p.max_position / p.original_max_position);
  double magnitude = 1.0;
  if (const auto given = p.fields.number("attention_factor", kSmallest, kLargest)) {
    magnitude = *given;
  } else if (factor > 1.0) {
    if (p.original_max_position < 2.0) {
      p.fields.fail("original_max_position_embeddings", "is below 2");
    }
    magnitude = std::sqrt(1.0 + std::log(factor) / std::log(p.original_max_position));
  }
  Result result{{}, std::min(p.max_position, p.original_max_position)};
  result.rope.magnitude = static_cast<float>(magnitude);
  for (std::int32_t i = 0; i < p.dim / 2; ++i) {
    result.rope.frequencies.push_back(
        1.0f / (static_cast<float>(factors[static_cast<std::size_t>(i)]) * power(p, i)));
  }
  return result;
}

struct Kind {
  std::string_view name;
  Result (*make)(const Parameters&);
};
constexpr std::array kKinds{
    Kind{"default", standard}, Kind{"linear", linear}, Kind{"dynamic", dynamic},
    Kind{"llama3", llama3},    Kind{"yarn", yarn},     Kind{"longrope", longrope},
};

const Kind& find_kind(const ConfigFields& fields, const RopeRules& rules) {
  const char* key = fields.has("rope_type") ? "rope_type" : "type";
  const std::string said = fields.text(key).value_or("default");
  std::string name = said;
  if (rules.only_longrope && (name == "su" || name == "yarn")) name = "longrope";
  const auto* kind = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const Kind& candidate) { return candidate.name == name; });
  if (kind == kKinds.end() ||
      (rules.only_longrope && kind->make != standard && kind->make != longrope)) {
    fields.unsupported(key, printable(said));
  }
  return *kind;
}

// Refuses parameters by layer type, where the architecture has none.
void refuse_nested(const ConfigFields& fields) {
  for (const auto& [name, value] : fields.json().items()) {
    if (value.is_object()) fields.unsupported(printable(name), "(for some layers only)");
  }
}

class Reader {
 public:
  Reader(const ConfigFields& config, const RopeRules& rules, ModelConfig& model)
      : config_(config), rules_(rules), model_(model), max_position_(model.max_position) {}

  void read_one() {
    // A rope_scaling that says something replaces rope_parameters, as in transformers.
    std::optional<ConfigFields> fields = config_.object("rope_scaling");
    if (!fields || fields->json().empty()) fields = config_.object("rope_parameters");
    if (!fields) fields = nothing();
    refuse_nested(*fields);
    add(*fields, theta("rope_theta", rules_.default_theta));
  }

  void read_by_layer_type() {
    nlohmann::json global = nlohmann::json::object(), local = global;
    if (const std::optional<ConfigFields> all = config_.object("rope_parameters")) {
      const std::optional<ConfigFields> full = all->object("full_attention");
      const std::optional<ConfigFields> sliding = all->object("sliding_attention");
      if (!full && !sliding) {
        config_.fail("rope_parameters", "has neither full_attention nor sliding_attention");
      }
      if (full) global = full->json();
      if (sliding) local = sliding->json();
    }
    if (const std::optional<ConfigFields> scaling = config_.object("rope_scaling")) {
      global.update(scaling->json());
    }
    add(ConfigFields(global, config_.file(), "rope_parameters.full_attention."),
        theta("rope_theta", rules_.default_theta));
    add(ConfigFields(local, config_.file(), "rope_parameters.sliding_attention."),
        theta("rope_local_base_freq", rules_.default_local_theta));
  }

 private:
  ConfigFields nothing() const { return {nlohmann::json::object(), config_.file(), ""}; }

  double theta(const char* key, double otherwise) const {
    return config_.number(key, 1.0, kMaxTheta).value_or(otherwise);
  }

  std::int32_t rotary_dim(const ConfigFields& fields) const {
    double part = 1.0;
    for (const ConfigFields* place : {&config_, &fields}) {
      part = place->number("partial_rotary_factor", 0.0, 1.0).value_or(part);
    }
    if (part != 1.0 && !rules_.partial) {
      fields.unsupported("partial_rotary_factor", shown_value(nlohmann::json(part)));
    }
    const auto dim = static_cast<std::int32_t>(model_.head_dim * part);
    if (dim < 2 || dim % 2 != 0) {
      config_.fail("partial_rotary_factor", "rotates " + std::to_string(dim) +
                                                " dimensions of a head, expected an even number");
    }
    return dim;
  }

  void add(const ConfigFields& fields, double outer_theta) {
    constexpr const char* kOriginal = "original_max_position_embeddings";
    const Kind& kind = find_kind(fields, rules_);
    // The file's own comes before the parameters'.
    std::optional<double> original = config_.number(kOriginal, 1.0, kMaxPosition);
    if (!original && rules_.default_original_max_position > 0) {
      original = rules_.default_original_max_position;
    }
    if (!original) original = fields.number(kOriginal, 1.0, kMaxPosition);
    const Parameters parameters{
        .fields = fields,
        .theta = fields.number("rope_theta", 1.0, kMaxTheta).value_or(outer_theta),
        .dim = rotary_dim(fields),
        .max_position = max_position_,
        .original_max_position = original.value_or(max_position_),
        .has_original_max_position = original.has_value(),
    };
    Result result = kind.make(parameters);
    const auto reaches = static_cast<std::int32_t>(result.max_position);
    model_.max_position = model_.ropes.empty() ? reaches : std::min(model_.max_position, reaches);
    model_.ropes.push_back(std::move(result.rope));
  }

  const ConfigFields& config_;
  const RopeRules& rules_;
  ModelConfig& model_;
  const double max_position_;
};

}  // namespace

void read_ropes(const ConfigFields& config, const RopeRules& rules, ModelConfig& model) {
  Reader reader(config, rules, model);
  if (rules.default_local_theta > 0.0) {
    reader.read_by_layer_type();
  } else {
    reader.read_one();
  }
}

}  // namespace gpumodel::engine::io
