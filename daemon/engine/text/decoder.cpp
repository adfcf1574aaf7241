#include "engine/text/decoder.hpp"

#include "engine/text/decoder_stages.hpp"
#include "engine/text/json_node.hpp"

namespace gpumodel::engine::text {
namespace {

constexpr std::int64_t kMaxStripped = 1 << 20;

// For stages without options.
template <typename Stage>
class PlainFactory final : public Decoder::Factory {
 public:
  std::unique_ptr<DecoderStage> make(DecoderStage& next) const override {
    return std::make_unique<Stage>(next);
  }
};

class StripFactory final : public Decoder::Factory {
 public:
  explicit StripFactory(const JsonNode& node)
      : start_(static_cast<std::size_t>(node.at("start").integer(0, kMaxStripped))),
        stop_(static_cast<std::size_t>(node.at("stop").integer(0, kMaxStripped))) {
    append_code_point(content_, node.at("content").character());
  }
  std::unique_ptr<DecoderStage> make(DecoderStage& next) const override {
    return std::make_unique<StripStage>(next, content_, start_, stop_);
  }

 private:
  std::string content_;
  std::size_t start_;
  std::size_t stop_;
};

class ReplaceFactory final : public Decoder::Factory {
 public:
  explicit ReplaceFactory(const JsonNode& node)
      : pattern_(Pattern::parse(node.at("pattern"))), content_(node.string("content")) {}
  std::unique_ptr<DecoderStage> make(DecoderStage& next) const override {
    return std::make_unique<ReplaceStage>(next, pattern_, content_);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class MetaspaceFactory final : public Decoder::Factory {
 public:
  explicit MetaspaceFactory(const JsonNode& node) : metaspace_(Metaspace::parse(node)) {}
  std::unique_ptr<DecoderStage> make(DecoderStage& next) const override {
    return std::make_unique<MetaspaceStage>(next, metaspace_);
  }

 private:
  Metaspace metaspace_;
};

}  // namespace

Decoder Decoder::parse(const JsonNode& node) {
  Decoder decoder;
  if (node.is_null()) {
    decoder.factories_.push_back(std::make_unique<PlainFactory<JoinStage>>());
    decoder.joins_ = true;
  } else {
    decoder.add(node);
    decoder.is_byte_level_ = node.type() == "ByteLevel";
  }
  return decoder;
}

void Decoder::add(const JsonNode& node) {
  const std::string type = node.type();
  if (type == "Sequence") {
    for (const JsonNode& item : node.at("decoders").items()) add(item);
  } else if (type == "ByteLevel") {
    factories_.push_back(std::make_unique<PlainFactory<ByteLevelStage>>());
  } else if (type == "ByteFallback") {
    factories_.push_back(std::make_unique<PlainFactory<ByteFallbackStage>>());
  } else if (type == "Fuse") {
    factories_.push_back(std::make_unique<PlainFactory<FuseStage>>());
  } else if (type == "Strip") {
    factories_.push_back(std::make_unique<StripFactory>(node));
  } else if (type == "Replace") {
    factories_.push_back(std::make_unique<ReplaceFactory>(node));
  } else if (type == "Metaspace") {
    factories_.push_back(std::make_unique<MetaspaceFactory>(node));
  } else {
    node.unsupported("type");
  }
}

std::vector<std::unique_ptr<DecoderStage>> Decoder::chain(std::string& out) const {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  stages.reserve(factories_.size() + 1);
  stages.push_back(std::make_unique<CollectStage>(out));
  for (auto factory = factories_.rbegin(); factory != factories_.rend(); ++factory) {
    stages.push_back((*factory)->make(*stages.back()));
  }
  std::reverse(stages.begin(), stages.end());
  return stages;
}

}  // namespace gpumodel::engine::text
