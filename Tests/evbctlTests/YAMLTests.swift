import JSON
import Testing

@testable import evbctl

@Suite struct YAMLTests {
    @Test("OPS-311 texts that YAML would take for something else stand in quotes")
    func scalars() throws {
        let value = try JSONValue(
            parsing: Array(
                """
                {"ports":[{"interface":"eth0","ecp":{"rte":14},"macs":["02:00:00:00:00:01"]},{"interface":"7"}],
                "group":"no","path":"/run/a b","none":null,"empty":{},"log":{"level":"info"},"e":"1e3","on":true}
                """.utf8))
        #expect(
            value.yaml == """
                ports:
                  - interface: eth0
                    ecp:
                      rte: 14
                    macs:
                      - "02:00:00:00:00:01"
                  - interface: "7"
                group: "no"
                path: "/run/a b"
                none: null
                empty: {}
                log:
                  level: info
                e: "1e3"
                "on": true
                """)
    }
}
