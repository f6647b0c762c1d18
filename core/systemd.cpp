#include "core/systemd.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "core/sd_bus.hpp"

namespace emsn::core {

namespace {

constexpr const char *kService = "org.freedesktop.systemd1";
constexpr const char *kManagerPath = "/org/freedesktop/systemd1";
constexpr const char *kManager = "org.freedesktop.systemd1.Manager";
constexpr const char *kUnit = "org.freedesktop.systemd1.Unit";
constexpr const char *kTimer = "org.freedesktop.systemd1.Timer";

struct Kind {
    std::string_view suffix;
    const char *interface; // the one on the bus that has its Result; nullptr: it has none
};

constexpr std::array kKinds{
    Kind{".service", "org.freedesktop.systemd1.Service"},
    Kind{".timer", kTimer},
    Kind{".mount", "org.freedesktop.systemd1.Mount"},
    Kind{".socket", "org.freedesktop.systemd1.Socket"},
    Kind{".path", "org.freedesktop.systemd1.Path"},
    Kind{".swap", "org.freedesktop.systemd1.Swap"},
    Kind{".automount", "org.freedesktop.systemd1.Automount"},
    Kind{".scope", "org.freedesktop.systemd1.Scope"},
    Kind{".target", nullptr},
    Kind{".device", nullptr},
    Kind{".slice", nullptr},
};

[[noreturn]] void fail(Errc code, const std::string &call, const std::string &reason) {
    throw Error(code, "ask systemd: " + call + ": " + reason);
}

Errc errc_of_reply(std::string_view name, int error_number) {
    if (name.ends_with(".NoSuchUnit") || name.ends_with(".UnknownObject"))
        return Errc::not_found;
    if (name.ends_with(".NoReply") || name.ends_with(".Timeout") || error_number == ETIMEDOUT)
        return Errc::timed_out;
    if (name.ends_with(".ServiceUnknown") || name.ends_with(".NameHasNoOwner") ||
        name.find(".Spawn.") != name.npos)
        return Errc::unsupported;
    return errc_of(error_number);
}

} // namespace

SystemdSource SystemdSource::of_system() {
    const char *named = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
    return {named != nullptr && *named != '\0' ? named : "unix:path=/run/dbus/system_bus_socket"};
}

// A connection, and calls that throw.
struct Systemd::Bus {
    explicit Bus(const SystemdSource &source) : api(source.library), timeout(source.call_timeout) {
        // the messages of this one are read by who looks for systemd in vain
        const auto check = [&](int code) {
            if (code < 0) {
                const bool away = code == -ETIMEDOUT;
                fail(away ? Errc::timed_out : Errc::unsupported, away ? "connect" : "no systemd here",
                     "bus " + source.bus_address + ": " + errno_text(-code));
            }
        };
        check(api.create(&bus));
        const Unwind unwind{*this}; // no destructor runs for who does not finish his constructor
        check(api.set_address(bus, source.bus_address.c_str()));
        check(api.set_bus_client(bus, 1));
        check(api.set_method_call_timeout(bus, microseconds()));
        check(api.start(bus));
        const auto until = TwoClocks::now().monotonic + microseconds();
        for (;;) {
            const int ready = api.is_ready(bus);
            check(ready);
            if (ready > 0)
                break;
            const int went_on = api.process(bus, nullptr);
            check(went_on);
            const auto now = TwoClocks::now().monotonic;
            if (now >= until)
                check(-ETIMEDOUT);
            if (went_on == 0)
                check(api.wait(bus, until - now));
        }
        unwind.done = true;
    }
    ~Bus() {
        if (bus != nullptr)
            api.close_unref(bus);
    }
    Bus(const Bus &) = delete;
    Bus &operator=(const Bus &) = delete;

    [[nodiscard]] std::uint64_t microseconds() const {
        return static_cast<std::uint64_t>(std::chrono::microseconds(timeout).count());
    }

    struct Unwind {
        Bus &owner;
        mutable bool done = false;
        ~Unwind() {
            if (!done) {
                owner.api.close_unref(owner.bus);
                owner.bus = nullptr;
            }
        }
    };

    // The error that the bus sends with an answer.
    class Failure {
      public:
        explicit Failure(const SdBus &sd_bus) : api_(sd_bus) {}
        ~Failure() { api_.error_free(&error_); }
        Failure(const Failure &) = delete;
        Failure &operator=(const Failure &) = delete;
        [[nodiscard]] sd_bus_error *get() { return &error_; }
        void check(int code, const std::string &call) const {
            if (code >= 0)
                return;
            const std::string_view name = error_.name != nullptr ? error_.name : "";
            fail(errc_of_reply(name, -code), call,
                 error_.message != nullptr ? error_.message : errno_text(-code));
        }

      private:
        const SdBus &api_;
        sd_bus_error error_{};
    };

    struct Unref {
        const SdBus *api;
        void operator()(sd_bus_message *message) const { api->message_unref(message); }
    };
    using Message = std::unique_ptr<sd_bus_message, Unref>;

    static void check(int code, const std::string &call) {
        if (code < 0)
            fail(errc_of(-code), call, errno_text(-code));
    }

    [[nodiscard]] Message request(const char *method) const {
        sd_bus_message *made = nullptr;
        check(api.new_method_call(bus, &made, kService, kManagerPath, kManager, method), method);
        return Message(made, Unref{&api});
    }
    [[nodiscard]] Message answer(const Message &request, const std::string &call) const {
        Failure failure(api);
        sd_bus_message *reply = nullptr;
        failure.check(api.call(bus, request.get(), microseconds(), failure.get(), &reply), call);
        return Message(reply, Unref{&api});
    }

    [[nodiscard]] Message call_with_name(const char *method, const std::string &name) const {
        const auto made = request(method);
        check(api.append(made.get(), "s", name.c_str()), method);
        return answer(made, method);
    }
    void append(const Message &message, const std::vector<std::string> &words,
                const std::string &call) const {
        std::vector<char *> pointers;
        pointers.reserve(words.size() + 1);
        for (const auto &word : words)
            pointers.push_back(const_cast<char *>(word.c_str())); // it copies them
        pointers.push_back(nullptr);
        check(api.append_strv(message.get(), pointers.data()), call);
    }

    [[nodiscard]] std::uint64_t number(const std::string &path, const char *interface,
                                       const char *name) const {
        Failure failure(api);
        std::uint64_t value = 0;
        failure.check(api.get_property_trivial(bus, kService, path.c_str(), interface, name, failure.get(),
                                               't', &value),
                      name + std::string(" of ") + path);
        return value;
    }
    [[nodiscard]] std::string text(const std::string &path, const char *interface, const char *name) const {
        Failure failure(api);
        char *value = nullptr;
        failure.check(
            api.get_property_string(bus, kService, path.c_str(), interface, name, failure.get(), &value),
            name + std::string(" of ") + path);
        const std::unique_ptr<char, decltype(&std::free)> owned(value, &std::free);
        return value != nullptr ? value : "";
    }

    SdBus api;
    std::chrono::milliseconds timeout;
    sd_bus *bus = nullptr;
};

Systemd::Systemd(const SystemdSource &source) : bus_(std::make_unique<Bus>(source)) {}

Systemd::~Systemd() = default;

std::vector<Unit> Systemd::units(const std::vector<std::string> &states,
                                 const std::vector<std::string> &patterns) {
    const std::string call = "ListUnitsByPatterns";
    const auto request = bus_->request(call.c_str());
    bus_->append(request, states, call);
    bus_->append(request, patterns, call);
    const auto reply = bus_->answer(request, call);
    const SdBus &api = bus_->api;
    // name, description, load, active and sub state, the unit that it follows, path, and its job: number,
    // type, path
    Bus::check(api.enter_container(reply.get(), 'a', "(ssssssouso)"), call);
    std::vector<Unit> units;
    for (;;) {
        std::array<const char *, 7> text{};
        std::uint32_t job = 0;
        const char *job_type = nullptr;
        const char *job_path = nullptr;
        const int more = api.read(reply.get(), "(ssssssouso)", &text[0], &text[1], &text[2], &text[3],
                                  &text[4], &text[5], &text[6], &job, &job_type, &job_path);
        Bus::check(more, call);
        if (more == 0)
            break;
        units.push_back({text[0], text[1], text[2], text[3], text[4], text[6]});
    }
    std::ranges::sort(units, {}, &Unit::name);
    return units;
}

UnitDetails Systemd::details_of(const Unit &unit) {
    UnitDetails details;
    const auto kind =
        std::ranges::find_if(kKinds, [&](const auto &k) { return unit.name.ends_with(k.suffix); });
    try {
        details.since_unix = unix_seconds(bus_->number(unit.path, kUnit, "StateChangeTimestamp"));
        // a unit that could not be loaded has no result
        if (kind != kKinds.end() && kind->interface != nullptr && unit.load_state == "loaded")
            details.result = bus_->text(unit.path, kind->interface, "Result");
    } catch (const Error &e) {
        if (e.code() != Errc::not_found) // gone meanwhile
            throw;
    }
    return details;
}

std::vector<Timer> Systemd::timers() {
    std::vector<Timer> timers;
    for (const Unit &unit : units({}, {"*.timer"})) {
        if (unit.load_state != "loaded")
            continue;
        Timer timer;
        timer.name = unit.name;
        try {
            timer.unit = bus_->text(unit.path, kTimer, "Unit");
            timer.result = bus_->text(unit.path, kTimer, "Result");
            const TimerTimes times{bus_->number(unit.path, kTimer, "LastTriggerUSec"),
                                   bus_->number(unit.path, kTimer, "NextElapseUSecRealtime"),
                                   bus_->number(unit.path, kTimer, "NextElapseUSecMonotonic"),
                                   bus_->number(unit.path, kTimer, "AccuracyUSec")};
            judge_timer(times, TwoClocks::now(), timer);
        } catch (const Error &e) {
            if (e.code() != Errc::not_found) // gone meanwhile
                throw;
            continue;
        }
        timers.push_back(std::move(timer));
    }
    return timers;
}

bool Systemd::reset_failed(const std::string &unit) {
    const bool has_kind =
        std::ranges::any_of(kKinds, [&](const auto &kind) { return unit.ends_with(kind.suffix); });
    const std::string name = has_kind ? unit : unit + ".service";
    try {
        const auto where = bus_->call_with_name("GetUnit", name);
        const char *path = nullptr;
        Bus::check(bus_->api.read(where.get(), "o", &path), "GetUnit");
        if (bus_->text(path, kUnit, "ActiveState") != "failed")
            return false;
        static_cast<void>(bus_->call_with_name("ResetFailedUnit", name));
    } catch (const Error &e) {
        if (e.code() != Errc::not_found)
            throw;
        return false;
    }
    return true;
}

} // namespace emsn::core
