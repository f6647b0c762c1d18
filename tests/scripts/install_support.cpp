#include "tests/scripts/install_support.hpp"

#include <unistd.h>

#include <filesystem>
#include <set>
#include <sstream>

namespace emsn::test {

InstallTest::InstallTest(const std::map<std::string, std::string> &files)
    : machine_(files, Machine::Emsn::kAbsent) {
    std::filesystem::copy(EMSN_BINARY_DIR "/packages", machine_.shared() + "/packages",
                          std::filesystem::copy_options::recursive);
}

void InstallTest::install_packages() const {
    machine_.sh("dpkg --no-triggers -i /shared/packages/1/*.deb");
}

void InstallTest::make_station() const {
    machine_.sh(R"sh(
        useradd --create-home pi
        mkdir -p /home/pi/BirdNET-Pi/scripts
        sqlite3 /home/pi/BirdNET-Pi/scripts/birds.db \
            "CREATE TABLE detections (Date, Time, Sci_Name, Com_Name, Confidence, Lat, Lon, Cutoff, Week, Sens, Overlap, File_Name);
             INSERT INTO detections VALUES (date('now', 'localtime'), time('now', 'localtime'), 'Strix aluco', 'Tawny Owl', 0.9,
                                            52, 5, 0.7, 48, 1.25, 0, 'owl.wav');
             INSERT INTO detections SELECT * FROM detections"
        chown -R pi: /home/pi
        chmod 755 /home/pi
        mkdir -p /var/lib/systemd/timers # systemd makes it when it starts the first persistent timer
        mount -t tmpfs tmpfs /mnt/usb
        ip link set lo up
    )sh");
}

void InstallTest::make_centre() const {
    machine_.sh(R"sh(
        mkdir /var/tmp/pg
        . /usr/share/emsn/scripts/lib/private_pg.sh
        private_pg_start /var/tmp/pg "listen_addresses = '127.0.0.1'" 'port = 5499'
        cat >/home/pi/.pg_service.conf <<'SERVICE'
[emsn]
host=127.0.0.1
port=5499
user=pi
dbname=postgres
SERVICE
        chown pi: /home/pi/.pg_service.conf
    )sh");
    (void)psql("CREATE EXTENSION emsn_health");
    (void)psql("SELECT emsn.create_detections('public.bird_detections')");
    machine_.sh("PGHOST=/var/tmp/pg PGPORT=5499 psql -Xq -U postgres -v role=pi -v station=zolder "
                "-f /usr/share/emsn/sql/publisher_role.sql");
}

std::string InstallTest::psql(const std::string &sql) const {
    auto text =
        machine_.sh("psql -XqAt -v ON_ERROR_STOP=1 -h /var/tmp/pg -p 5499 -U postgres postgres <<'SQL'\n" +
                    sql + ";\nSQL\n");
    if (!text.empty())
        text.pop_back();
    return text;
}

Outcome InstallTest::emsn_install(const std::string &options) const {
    return machine_.run({"bash", "-c", "emsn-install " + options + " </dev/null"});
}

Outcome InstallTest::install_station(const std::string &more) const {
    return emsn_install("--station zolder --mirror /mnt/usb/birds.db --pg service=emsn " + more);
}

std::string InstallTest::tree() const {
    return machine_.sh(R"sh(
        skip='-path /srv/pg -o -path /var/tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/systemd/random-seed'
        skip+=' -o -path /var/lib/systemd/catalog -o -path /etc/ld.so.cache'
        # folders have no size here: that of one depends on what was in it before
        form='( -type d -printf %p\040d\040%m\040%u:%g\n -o -printf %p\040%y\040%m\040%u:%g\040%s\040%l\n )'
        find / -maxdepth 1 $form
        find /etc /usr/local /var /opt /home /srv \( $skip \) -prune -o $form
        find /etc -type f -not -name ld.so.cache -exec sha256sum {} +
    )sh");
}

std::string difference(const std::string &before, const std::string &after) {
    const auto lines = [](const std::string &text) {
        std::istringstream in(text);
        std::set<std::string> found;
        for (std::string line; std::getline(in, line);)
            found.insert(line);
        return found;
    };
    const auto old_lines = lines(before);
    const auto new_lines = lines(after);
    std::string found;
    for (const auto &line : old_lines) {
        if (!new_lines.contains(line))
            found += "- " + line + "\n";
    }
    for (const auto &line : new_lines) {
        if (!old_lines.contains(line))
            found += "+ " + line + "\n";
    }
    return found;
}

} // namespace emsn::test
