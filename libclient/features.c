#include "features.h"

static const struct {
  const char* name;
  uint32_t feature;
} kFeatures[] = {
    {"lease.progress", GMI_FEATURE_PROGRESS},
    {"lease.wait_foreign", GMI_FEATURE_WAIT_FOREIGN},
    {"generate.logprobs", GMI_FEATURE_LOGPROBS},
    {"generate.top_logprobs", GMI_FEATURE_TOP_LOGPROBS},
    {"generate.penalties", GMI_FEATURE_PENALTIES},
    {"generate.logit_bias", GMI_FEATURE_LOGIT_BIAS},
    {"generate.deadline", GMI_FEATURE_DEADLINE},
    {"generate.json_schema", GMI_FEATURE_JSON_SCHEMA},
    {"generate.regex", GMI_FEATURE_REGEX},
    {"generate.grammar", GMI_FEATURE_GRAMMAR},
    {"call_json", GMI_FEATURE_CALL_JSON},
    {"render", GMI_FEATURE_RENDER},
    {"events", GMI_FEATURE_EVENTS},
};
enum { kFeatureCount = sizeof kFeatures / sizeof kFeatures[0] };

uint32_t gmi_features_read(const msgpack_object_array* list) {
  uint32_t features = 0;
  for (uint32_t i = 0; list != NULL && i < list->size; ++i) {
    for (int j = 0; j < kFeatureCount; ++j) {
      if (gmi_text_equals(&list->ptr[i], kFeatures[j].name)) features |= kFeatures[j].feature;
    }
  }
  return features;
}

gm_status gmi_need_feature(const gm_client* client, uint32_t feature, const char* what) {
  if ((client->features & feature) != 0) return GM_OK;
  const char* name = "";
  for (int i = 0; i < kFeatureCount; ++i) {
    if (kFeatures[i].feature == feature) name = kFeatures[i].name;
  }
  return gmi_fail(GM_E_UNSUPPORTED,
                  "%s needs the feature %s, which this daemon does not list; a newer gpumodeld may",
                  what, name);
}
