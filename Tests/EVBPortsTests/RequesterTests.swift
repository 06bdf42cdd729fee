import EVBPorts
import Glibc
import Testing

@Suite struct RequesterTests {
    @Test(
        "OPS-115 who asked is one value: the log and the history have it in words of their own",
        arguments: [
            (Requester.client(name: "evbctl", pid: 7, uid: 0), "evbctl[7] uid 0", "user 0, process 7 (evbctl)"),
            (.client(name: nil, pid: 7, uid: 5), "client pid 7 uid 5", "user 5, process 7"),
            (
                .client(name: "evbctl", pid: 7, uid: 0).probing, "evbctl[7] uid 0",
                "user 0, process 7 (evbctl), by evbctl probe"
            ),
            (
                .libvirt(name: "libvirtd", pid: 8, uid: 0, port: 4_194_312), "libvirtd[8] uid 0",
                "libvirt (netlink port 4194312)"
            ),
            (.libvirt(name: nil, pid: 8, uid: 0, port: 8), "libvirt pid 8 uid 0", "libvirt (netlink port 8)"),
            (.earlier(.control), "client before the restart", "client before the restart"),
        ])
    func words(_ requester: Requester, _ log: String, _ history: String) {
        #expect("\(requester)" == log)
        #expect(requester.words == history)
    }

    @Test("OPS-115 the number of a netlink sender is one of its own PID namespace: no other process is named for it")
    func namespaces() {
        let own = getpid()
        #expect(Requester.libvirt(pid: own, uid: 0, port: 8) == .libvirt(name: nil, pid: own, uid: 0, port: 8))
        for name in ["libvirtd", "virtqemud", "virtnetworkd"] { #expect(Requester.isLibvirt(name)) }
        for name in ["kthreadd", "virtlogger", "python3", "", "virt"] { #expect(!Requester.isLibvirt(name)) }
    }
}
