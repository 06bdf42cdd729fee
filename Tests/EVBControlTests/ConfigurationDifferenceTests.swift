import JSON
import Testing

@testable import EVBModel

@Suite struct ConfigurationDifferenceTests {
    private func differences(_ inForce: String, _ file: String) throws -> [String] {
        try ConfigurationDifference.between(
            JSONValue(parsing: Array(inForce.utf8)), and: JSONValue(parsing: Array(file.utf8))
        ).map { "\($0.key): \($0.inForce ?? "-") -> \($0.file ?? "-")" }
    }

    @Test("OPS-312 each key that differs is named with both values, and ports are known by their interfaces")
    func keys() throws {
        let one = #"{"ports":[{"interface":"a","ecp":{"rte":14}},{"interface":"b"}],"log":{"level":"info"}}"#
        #expect(try differences(one, one).isEmpty)
        #expect(
            try differences(
                one,
                #"{"ports":[{"interface":"c"},{"interface":"a","ecp":{"rte":10}}],"log":{"level":"debug"},"reload":{"ends-vsis":true}}"#
            ) == [
                "ports[a].ecp.rte: 14 -> 10", #"ports[b]: {"interface":"b"} -> -"#,
                #"ports[c]: - -> {"interface":"c"}"#,
                #"log.level: "info" -> "debug""#, #"reload: - -> {"ends-vsis":true}"#,
            ])
        #expect(
            try differences(
                #"{"ports":[{"interface":"a"},{"interface":"b"}]}"#, #"{"ports":[{"interface":"b"},{"interface":"a"}]}"#
            )
            .count == 1, "another order is a difference of the list")
        #expect(try differences(#"{"macs":["a","b"]}"#, #"{"macs":["a"]}"#) == [#"macs: ["a","b"] -> ["a"]"#])
    }
}
