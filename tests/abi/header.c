/* Everything that the header offers to C, used once. */
#include <gpumodel.h>

gm_error gpumodel_header_error = GM_ERROR_INIT;
gm_client_options gpumodel_header_client = GM_CLIENT_OPTIONS_INIT;
gm_model_info gpumodel_header_model = GM_MODEL_INFO_INIT;
gm_lease_options gpumodel_header_lease = GM_LEASE_OPTIONS_INIT;
gm_lease_info gpumodel_header_info = GM_LEASE_INFO_INIT;
gm_release_report gpumodel_header_report = GM_RELEASE_REPORT_INIT;
gm_result gpumodel_header_result = GM_RESULT_INIT;
gm_chunk gpumodel_header_chunk = GM_CHUNK_INIT;
