// A server that asks for a password and speaks TLS: what comes back when it is wrong, and where a password
// never is.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/publish/proxy.hpp"
#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

const std::string kSecret = "s3kr1t-4711";

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(fd, reinterpret_cast<const sockaddr *>(&address), size);
    ::getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size);
    ::close(fd);
    return ntohs(address.sin_port);
}

void must(const Outcome &outcome) {
    if (outcome.status != 0)
        throw std::runtime_error(outcome.out + outcome.err);
}

class PublishSecretsTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        files_ = std::make_unique<TempDir>();
        ::chmod(files_->path().c_str(), 0777); // the server's user owns its key
        make_certificates();
        write_file(*files_ / "hba", "local all publisher scram-sha-256\nlocal all all trust\n"
                                    "hostssl all publisher 127.0.0.1/32 scram-sha-256\n");
        port_ = free_port();
        cluster_ = std::make_unique<PgCluster>(
            std::vector<std::string>{"hba_file = '" + (*files_ / "hba") + "'",
                                     "listen_addresses = '127.0.0.1'", "port = " + std::to_string(port_),
                                     "ssl = on", "ssl_cert_file = '" + (*files_ / "server.crt") + "'",
                                     "ssl_key_file = '" + (*files_ / "server.key") + "'",
                                     "log_connections = on", "log_statement = all", "timezone = 'UTC'"});
        Session db(admin());
        db.exec("CREATE EXTENSION emsn_health");
        db.exec("SELECT emsn.create_detections('public.bird_detections')");
        db.exec("CREATE ROLE publisher LOGIN PASSWORD '" + kSecret + "'");
        db.exec("SELECT emsn.allow_publisher('publisher', 'zolder')");
    }
    static void TearDownTestSuite() {
        cluster_.reset();
        files_.reset();
    }

    // A CA of our own and a certificate for localhost, as docs/operations.md says.
    static void make_certificates() {
        const auto openssl = [](std::vector<std::string> args) {
            args.insert(args.begin(), "openssl");
            must(run(as_server(args)));
        };
        const auto at = [](const char *name) { return *files_ / name; };
        openssl({"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=emsn CA",
                 "-keyout", at("ca.key"), "-out", at("ca.crt")});
        openssl({"req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext",
                 "subjectAltName=DNS:localhost", "-keyout", at("server.key"), "-out", at("server.csr")});
        openssl({"x509", "-req", "-in", at("server.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"),
                 "-CAcreateserial", "-days", "3650", "-copy_extensions", "copy", "-out", at("server.crt")});
        must(run(as_server({"chmod", "600", at("server.key")})));
        must(run(as_server({"chmod", "644", at("ca.crt")})));
    }

    static std::string port() { return " port=" + std::to_string(port_); }
    static std::string admin() { return cluster_->conninfo("postgres") + port(); }
    static std::string local() { return cluster_->conninfo("postgres", "publisher") + port(); }
    static std::string tls(const std::string &host) {
        return "host=" + host + port() +
               " dbname=postgres user=publisher sslmode=verify-full sslrootcert=" + (*files_ / "ca.crt");
    }

    PublishSecretsTest() { make_birds_db(birds_, 100); }

    SqlError refusal(const std::string &conninfo) {
        try {
            publish_file(birds_, conninfo, "zolder", R"({"timeout_ms": 20000})");
            return {0, ""};
        } catch (const SqlError &e) {
            EXPECT_EQ(std::string(e.what()).find(kSecret), std::string::npos) << e.what();
            return e;
        }
    }

    static std::unique_ptr<TempDir> files_;
    static std::unique_ptr<PgCluster> cluster_;
    static int port_;
    TempDir dir_;
    const std::string birds_ = dir_ / "birds.db";
};

std::unique_ptr<TempDir> PublishSecretsTest::files_;
std::unique_ptr<PgCluster> PublishSecretsTest::cluster_;
int PublishSecretsTest::port_ = 0;

TEST_F(PublishSecretsTest, AWrongPasswordIsSaidAtOnceAndNotRepeated) {
    const auto wrong = refusal(local() + " password=" + kSecret + "x");
    EXPECT_EQ(wrong.code, SQLITE_PERM);
    EXPECT_NE(std::string(wrong.what()).find("password authentication failed for user \"publisher\""),
              std::string::npos)
        << wrong.what();
    const auto none = refusal(local());
    EXPECT_NE(std::string(none.what()).find("no password supplied"), std::string::npos) << none.what();
    EXPECT_NE(none.code, SQLITE_BUSY) << "a later try would not help";
    EXPECT_EQ(refusal(local() + " dbname=nowhere password=" + kSecret).code, SQLITE_CANTOPEN);
}

TEST_F(PublishSecretsTest, NeitherLogNorSessionsNorProcessesShowIt) {
    const auto passfile = dir_ / "pgpass";
    write_file(passfile, "*:*:*:publisher:" + kSecret + "\n");
    ::chmod(passfile.c_str(), 0600);
    EXPECT_EQ(publish_file(birds_, local() + " password=" + kSecret, "zolder")["inserted"], 100);
    write_into(birds_, hear_sql(1));
    const auto conf = dir_ / "emsn.conf";
    write_file(conf, "");

    Proxy proxy(cluster_->socket_dir() + "/.s.PGSQL." + std::to_string(port_));
    proxy.fate(Proxy::Fate::stall, 3000);
    Process process({EMSN_SOURCE_DIR "/scripts/emsn-publish", "--station", "zolder", "--db", birds_, "--pg",
                     "host=" + proxy.host() + " dbname=postgres user=publisher passfile=" + passfile},
                    dir_ / "out", [&conf] {
                        auto env = sanitizer_env();
                        env.insert(env.end(), {"EMSN_PG_SO=" EMSN_PG_SO, "EMSN_CONF=" + conf});
                        return env;
                    }());
    ASSERT_TRUE(eventually([&] { return proxy.stalled() || !process.running(); }));
    EXPECT_TRUE(process.running()) << read_file(dir_ / "out");
    EXPECT_EQ(run({"ps", "-eo", "args"}).out.find(kSecret), std::string::npos);
    Session db(admin());
    EXPECT_EQ(
        db.value("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'emsn_publish/zolder'"),
        "t");
    proxy.release();
    EXPECT_EQ(process.wait(), 0) << read_file(dir_ / "out");
    EXPECT_EQ(read_file(dir_ / "out").find(kSecret), std::string::npos);
    // the one statement that sets it is the test's
    const auto log =
        run({"grep", "-av", "CREATE ROLE publisher", cluster_->socket_dir() + "/server.log"}).out;
    EXPECT_NE(log.find("emsn.publish_begin"), std::string::npos) << "the log is one that shows statements";
    EXPECT_EQ(log.find(kSecret), std::string::npos);
}

TEST_F(PublishSecretsTest, TlsIsVerifiedToTheName) {
    const auto password = " password=" + kSecret;
    EXPECT_EQ(publish_file(birds_, tls("localhost") + password, "zolder", R"({"full": true})")["rejected"],
              0);
    const auto other_name = refusal(tls("127.0.0.1") + password);
    EXPECT_NE(std::string(other_name.what()).find("does not match host name"), std::string::npos)
        << other_name.what();
    EXPECT_NE(other_name.code, SQLITE_BUSY);
    must(run(
        as_server({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody else",
                   "-keyout", *files_ / "other.key", "-out", *files_ / "other.crt"})));
    const auto other_ca = refusal(tls("localhost") + password + " sslrootcert=" + (*files_ / "other.crt"));
    EXPECT_NE(std::string(other_ca.what()).find("certificate verify failed"), std::string::npos)
        << other_ca.what();
    EXPECT_NE(other_ca.code, SQLITE_BUSY);
}

TEST_F(PublishSecretsTest, ARoleWithoutTheGrantIsToldSo) {
    Session db(admin());
    db.exec("CREATE ROLE stranger LOGIN");
    const auto stranger = refusal(cluster_->conninfo("postgres", "stranger") + port());
    EXPECT_EQ(stranger.code, SQLITE_PERM) << stranger.what();
    const auto not_his = [&] {
        try {
            publish_file(birds_, local() + " password=" + kSecret, "berging");
            return std::string();
        } catch (const SqlError &e) {
            EXPECT_EQ(e.code, SQLITE_PERM);
            return std::string(e.what());
        }
    }();
    EXPECT_NE(not_his.find("berging"), std::string::npos) << not_his;
    EXPECT_NE(not_his.find("publisher"), std::string::npos) << not_his;
}

} // namespace
} // namespace emsn::test
