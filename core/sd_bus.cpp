#include "core/sd_bus.hpp"

#include <dlfcn.h>

#include "core/error.hpp"

namespace emsn::core {

namespace {

template <typename Fn> void find(void *library, const char *name, Fn *&function) {
    // POSIX promises that a function's address passes through void *
    function = reinterpret_cast<Fn *>(::dlsym(library, name));
    if (function == nullptr)
        throw Error(Errc::unsupported, std::string("ask systemd: its library lacks ") + name);
}

} // namespace

SdBus::SdBus(const std::string &library) {
    void *handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
        const char *reason = ::dlerror();
        throw Error(Errc::unsupported, std::string("ask systemd: no systemd here: ") +
                                           (reason != nullptr ? reason : library.c_str()));
    }
    find(handle, "sd_bus_new", create);
    find(handle, "sd_bus_set_address", set_address);
    find(handle, "sd_bus_set_bus_client", set_bus_client);
    find(handle, "sd_bus_set_method_call_timeout", set_method_call_timeout);
    find(handle, "sd_bus_start", start);
    find(handle, "sd_bus_is_ready", is_ready);
    find(handle, "sd_bus_process", process);
    find(handle, "sd_bus_wait", wait);
    find(handle, "sd_bus_close_unref", close_unref);
    find(handle, "sd_bus_message_new_method_call", new_method_call);
    find(handle, "sd_bus_message_append_strv", append_strv);
    find(handle, "sd_bus_message_append", append);
    find(handle, "sd_bus_call", call);
    find(handle, "sd_bus_message_enter_container", enter_container);
    find(handle, "sd_bus_message_read", read);
    find(handle, "sd_bus_message_exit_container", exit_container);
    find(handle, "sd_bus_message_unref", message_unref);
    find(handle, "sd_bus_get_property_trivial", get_property_trivial);
    find(handle, "sd_bus_get_property_string", get_property_string);
    find(handle, "sd_bus_error_free", error_free);
}

} // namespace emsn::core
