// The same for C++17.
#include <gpumodel.h>

gm_error header_error = GM_ERROR_INIT;
gm_client_options header_client = GM_CLIENT_OPTIONS_INIT;
gm_model_info header_model = GM_MODEL_INFO_INIT;
gm_lease_options header_lease = GM_LEASE_OPTIONS_INIT;
gm_lease_info header_info = GM_LEASE_INFO_INIT;
gm_release_report header_report = GM_RELEASE_REPORT_INIT;
gm_result header_result = GM_RESULT_INIT;
gm_chunk header_chunk = GM_CHUNK_INIT;
static_assert(GM_E_BUSY == -43, "statuses are constants in C++ too");
