/* What the daemon said it can do, beyond what every daemon of protocol 1 does. */
#ifndef GPUMODEL_LIBCLIENT_FEATURES_H
#define GPUMODEL_LIBCLIENT_FEATURES_H

#include <stdint.h>

#include "client.h"

enum {
  GMI_FEATURE_PROGRESS = 1u << 0,
  GMI_FEATURE_WAIT_FOREIGN = 1u << 1,
  GMI_FEATURE_LOGPROBS = 1u << 2,
  GMI_FEATURE_TOP_LOGPROBS = 1u << 3,
  GMI_FEATURE_PENALTIES = 1u << 4,
  GMI_FEATURE_LOGIT_BIAS = 1u << 5,
  GMI_FEATURE_DEADLINE = 1u << 6,
  GMI_FEATURE_JSON_SCHEMA = 1u << 7,
  GMI_FEATURE_REGEX = 1u << 8,
  GMI_FEATURE_GRAMMAR = 1u << 9,
  GMI_FEATURE_CALL_JSON = 1u << 10,
  GMI_FEATURE_RENDER = 1u << 11,
  GMI_FEATURE_EVENTS = 1u << 12
};

/* The known names in `list`; NULL: none. */
uint32_t gmi_features_read(const msgpack_object_array* list);

/* GM_E_UNSUPPORTED, naming `what`, unless the daemon listed the feature. */
gm_status gmi_need_feature(const gm_client* client, uint32_t feature, const char* what);

#endif
