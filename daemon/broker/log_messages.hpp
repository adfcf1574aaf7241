// Everything that the daemon logs. A message's id is its MESSAGE_ID in the journal
// (systemd.journal-fields(7)): programs find messages by it, so it outlives any rewording.
#pragma once

#include "broker/log.hpp"

namespace gpumodel::broker::messages {

inline constexpr LogMessage kConnectionRefused{"9b037d18742849e99942b0f21f6f697f",
                                               "connection refused: its peer cannot be told"};
inline constexpr LogMessage kConnectionEnded{"9fa649ff6d0f4029906248c58c90772c",
                                             "connection ended"};
inline constexpr LogMessage kRequestDefect{"0b7e08debbfb4da88cbeef04beb27551",
                                           "a request failed by a defect"};
inline constexpr LogMessage kModelUnusable{"a5d4642065ef44109f48bd8eb806812c",
                                           "model cannot be used"};
inline constexpr LogMessage kKnownAnswerRecorded{"69bb48dba04247b1afa941a6175f15b5",
                                                 "known answer recorded"};
inline constexpr LogMessage kKnownAnswerRight{"c75dd260600947f0bcce6f0f715f9865",
                                              "known answer is right"};
inline constexpr LogMessage kKilledForMemory{
    "383f6fef9c084f3ea0b2ffc86c86cbe1",
    "the kernel has killed for memory: emptying the host cache"};
inline constexpr LogMessage kUnloaded{"ceaaf9d966194285b593b18c9bb225b4", "unloaded"};
inline constexpr LogMessage kProbeLost{"18e891a04b424949a28a9b81c66ea0ac", "probe lost"};
inline constexpr LogMessage kDevicesUnknown{
    "eccc58a9208149a09679c94388e624c5",
    "the devices cannot be told: no model can be served until the probe answers"};
inline constexpr LogMessage kDeviceMissing{"95201aee6c774f739edfa34ef7ae4357",
                                           "a configured device is not on this machine"};
inline constexpr LogMessage kServing{"61b59ea12d424a07b5c6b2e61e29bf0d", "serving"};
inline constexpr LogMessage kSecondSignal{"d557933385e649558d62e99a79904636",
                                          "second signal: exiting at once"};
inline constexpr LogMessage kStopping{"d2bf0448b34d48a8a75789e542bf84a6",
                                      "stopping: no new work is taken, what runs may end"};
inline constexpr LogMessage kStopped{"d795f11bff3f4446bdeeb6909feec1a8", "stopped"};
inline constexpr LogMessage kNoDescriptors{
    "783ce9e38ed74b62a61653e99bdc4617",
    "no file descriptors are left for connections: refusing them; raise LimitNOFILE"};
inline constexpr LogMessage kLoading{"b16b97a738e24f408590aaab78be207e", "loading"};
inline constexpr LogMessage kLoadingAdapter{"f6221cd2ece54f67829d05bfd88224b6",
                                            "loading an adapter"};
inline constexpr LogMessage kImageUnusable{
    "c72f51a2d8d14f0388083b3338c4141b", "the host cache cannot serve an image; loading from disk"};
inline constexpr LogMessage kLoaded{"ea4714ab492c4f1e893cb2b25f1698fe", "loaded"};
inline constexpr LogMessage kLoadedAdapter{"7f0fcabfe2fc4d58add683e1c9e41517", "loaded an adapter"};
inline constexpr LogMessage kImageDamaged{
    "3a8dced8d5ed49ca8c24618d23c581dc", "an image of the host cache is damaged; loading from disk"};
inline constexpr LogMessage kLoadFailed{"5cb4c35133ea43af84d7834ffe518ee0", "load failed"};
inline constexpr LogMessage kPressureUnwatched{
    "fdb2877d2fe14a66a39b83e54b78a620",
    "memory pressure is not watched: the host cache keeps its size"};
inline constexpr LogMessage kCannotGoOn{"059d2746cb954fd8b5a48105b20ff381",
                                        "gpumodeld cannot go on"};
inline constexpr LogMessage kEngineRuns{"e25711b9d2dc44969c0751fee857def9", "engine runs"};
inline constexpr LogMessage kEngineStopped{"5475f2b78253453da306ab03cf7fe52a", "engine stopped"};
inline constexpr LogMessage kEngineLost{"484566a43fb44485bc33f443b3754d74", "engine lost"};
inline constexpr LogMessage kDeviceFailed{
    "850fc97585594b1fafeed41fc2443804",
    "engine lost too often: its device has failed; restart gpumodeld to try again"};
inline constexpr LogMessage kReloadFailed{"6f0d174754664d5c9793a35dfef8cbf9",
                                          "the configuration was not reloaded, the old one stays"};
inline constexpr LogMessage kReloaded{"6dc3a5c4d04c4a3b9df6ea6a00e0796b",
                                      "the configuration was reloaded"};
inline constexpr LogMessage kStuck{
    "4f25bab7a62a49c9824e01bf226b3249",
    "requests wait and nothing moves: the service manager is left to restart the daemon"};
inline constexpr LogMessage kTextfileWritten{"069fef04e4d440c3ac0e8c9818d17866",
                                             "metrics_textfile is written again"};
inline constexpr LogMessage kTextfileFailed{
    "9e08a456cc124285a9b9f50d2c073dad",
    "metrics_textfile cannot be written, and is tried again; let the daemon's user write in its "
    "folder (under systemd also ReadWritePaths=), or remove the key"};

}  // namespace gpumodel::broker::messages
