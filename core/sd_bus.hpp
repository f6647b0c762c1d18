// libsystemd's sd-bus, opened when it is used: nothing is linked, and a machine without systemd needs none of
// it. Only what core/systemd.cpp calls, as sd-bus(3) declares it.
#pragma once

#include <cstdint>
#include <string>

extern "C" {
struct sd_bus;
struct sd_bus_message;
// sd_bus_error(3)
struct sd_bus_error {
    const char *name;
    const char *message;
    int need_free;
};
}

namespace emsn::core {

struct SdBus {
    // Throws Error{unsupported} when the library is not there, or too old to have all of these (before 241).
    // It stays loaded: it has data of threads of its own.
    explicit SdBus(const std::string &library);

    int (*create)(sd_bus **) = nullptr;
    int (*set_address)(sd_bus *, const char *) = nullptr;
    int (*set_bus_client)(sd_bus *, int) = nullptr;
    int (*set_method_call_timeout)(sd_bus *, std::uint64_t) = nullptr;
    int (*start)(sd_bus *) = nullptr;
    int (*is_ready)(sd_bus *) = nullptr;
    int (*process)(sd_bus *, sd_bus_message **) = nullptr;
    int (*wait)(sd_bus *, std::uint64_t) = nullptr;
    sd_bus *(*close_unref)(sd_bus *) = nullptr;
    int (*new_method_call)(sd_bus *, sd_bus_message **, const char *, const char *, const char *,
                           const char *) = nullptr;
    int (*append_strv)(sd_bus_message *, char **) = nullptr;
    int (*append)(sd_bus_message *, const char *, ...) = nullptr;
    int (*call)(sd_bus *, sd_bus_message *, std::uint64_t, sd_bus_error *, sd_bus_message **) = nullptr;
    int (*enter_container)(sd_bus_message *, char, const char *) = nullptr;
    int (*read)(sd_bus_message *, const char *, ...) = nullptr;
    int (*exit_container)(sd_bus_message *) = nullptr;
    sd_bus_message *(*message_unref)(sd_bus_message *) = nullptr;
    int (*get_property_trivial)(sd_bus *, const char *, const char *, const char *, const char *,
                                sd_bus_error *, char, void *) = nullptr;
    int (*get_property_string)(sd_bus *, const char *, const char *, const char *, const char *,
                               sd_bus_error *, char **) = nullptr;
    void (*error_free)(sd_bus_error *) = nullptr;
};

} // namespace emsn::core
