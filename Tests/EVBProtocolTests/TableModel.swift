@testable import EVBProtocol
@testable import EVBWire

/// The tables of the fact sheet's sections 5.8 and 5.9, row by row, and the plainest interpreter of such rows.
///
/// It is there to disagree with the machines: it shares no code with them. The first row whose state, event and condition
/// fit is taken; where none does, nothing happens.
struct TableModel {
    struct Row {
        let state: String
        let event: String
        let condition: String
        let next: String
        let actions: [String]

        init(_ state: String, _ event: String, _ condition: String, _ next: String, _ actions: String...) {
            self.state = state
            self.event = event
            self.condition = condition
            self.next = next
            self.actions = actions
        }
    }

    /// An event with what it carries, as words.
    struct Input {
        var event: String
        var command = ""
        var isKeep = false
        /// What tells this refusal from others.
        var refusal = ""
    }

    let rows: [Row]
    var state = "INIT"
    var sysCmd = ""
    var operCmd = ""
    var outputs: [String] = []

    init(_ rows: [Row]) { self.rows = rows }

    mutating func take(_ input: Input) {
        outputs = []
        for row in rows where row.state == state || row.state == "ANY" && state != "INIT" {
            guard row.event == input.event, holds(row.condition, input) else { continue }
            for action in row.actions { perform(action, input) }
            if row.next != "SAME" { state = row.next }
            return
        }
    }

    private func holds(_ condition: String, _ input: Input) -> Bool {
        condition.split(separator: ",").allSatisfy { word in
            switch word {
            case "DeAssoc": input.command == "deAssociate"
            case "sysCmd=DeAssoc": sysCmd == "deAssociate"
            case "sysCmd": input.command == sysCmd
            case "operCmd": input.command == operCmd
            case "operCmd=Assoc": operCmd == "associate"
            case "bound": operCmd != ""
            case "keep": input.isKeep
            default: false
            }
        }
    }

    private mutating func perform(_ action: String, _ input: Input) {
        let words = action.split(separator: " ")
        func value(_ word: Substring) -> String {
            switch word {
            case "command": input.command
            case "sysCmd": sysCmd
            case "operCmd": operCmd
            case "refusal": input.refusal
            case "none": ""
            default: String(word)
            }
        }
        if words.count == 3, words[1] == ":=" {
            if words[0] == "sysCmd" { sysCmd = value(words[2]) } else { operCmd = value(words[2]) }
        } else if action == "release" {
            // Only what is held can be released.
            if operCmd != "" { outputs.append("release") }
            operCmd = ""
        } else {
            outputs.append(words.map(value).joined(separator: " "))
        }
    }
}

extension TableModel {
    /// Section 5.8, with 5.5's rule for an answer that grants something else (De-Associate and report).
    static let station = [
        Row("INIT", "command", "DeAssoc", "INIT", "report released"),
        Row("INIT", "command", "", "STATION_PROCESSING", "sysCmd := command", "send sysCmd"),

        Row("STATION_PROCESSING", "command", "DeAssoc,sysCmd=DeAssoc", "SAME"),
        // What a De-Associate has been sent for may be gone at the bridge: there is nothing left to go back to.
        Row(
            "STATION_PROCESSING", "command", "sysCmd=DeAssoc", "SAME", "sysCmd := command", "operCmd := none",
            "send sysCmd"),
        Row("STATION_PROCESSING", "granted", "sysCmd,sysCmd=DeAssoc", "INIT", "operCmd := none", "report released"),
        Row("STATION_PROCESSING", "refused", "sysCmd,sysCmd=DeAssoc", "INIT", "operCmd := none", "report released"),
        Row("STATION_PROCESSING", "mismatched", "sysCmd,sysCmd=DeAssoc", "INIT", "operCmd := none", "report released"),
        Row("STATION_PROCESSING", "bridge DeAssoc", "sysCmd=DeAssoc", "INIT", "operCmd := none", "report released"),
        Row("STATION_PROCESSING", "waitWhile = 0", "sysCmd=DeAssoc", "INIT", "operCmd := none", "report released"),
        Row(
            "STATION_PROCESSING", "granted", "sysCmd", "WAIT_SYSTEM_CMD", "operCmd := sysCmd", "start reinitKeepAlive",
            "report bound sysCmd"),
        Row(
            "STATION_PROCESSING", "refused", "sysCmd,keep,bound", "WAIT_SYSTEM_CMD", "start reinitKeepAlive",
            "report refused refusal kept"),
        Row("STATION_PROCESSING", "refused", "sysCmd", "INIT", "operCmd := none", "report refused refusal"),
        Row(
            "STATION_PROCESSING", "mismatched", "sysCmd", "TRANSMIT_DEASSOC", "operCmd := none", "send deAssociate",
            "report mismatched"),
        Row("STATION_PROCESSING", "bridge DeAssoc", "", "INIT", "operCmd := none", "report bridge DeAssoc"),
        Row("STATION_PROCESSING", "waitWhile = 0", "", "INIT", "operCmd := none", "report timeout"),

        Row("WAIT_SYSTEM_CMD", "keep-alive due", "", "TRANSMIT_KEEPALIVE", "send operCmd"),
        Row("WAIT_SYSTEM_CMD", "bridge DeAssoc", "", "INIT", "operCmd := none", "report bridge DeAssoc"),

        Row("TRANSMIT_KEEPALIVE", "granted", "operCmd", "WAIT_SYSTEM_CMD", "start reinitKeepAlive"),
        Row(
            "TRANSMIT_KEEPALIVE", "refused", "operCmd,keep,operCmd=Assoc", "TRANSMIT_DEASSOC", "operCmd := none",
            "send deAssociate", "report refused refusal"),
        Row(
            "TRANSMIT_KEEPALIVE", "refused", "operCmd,keep", "WAIT_SYSTEM_CMD", "start reinitKeepAlive",
            "report refused refusal kept"),
        Row("TRANSMIT_KEEPALIVE", "refused", "operCmd", "INIT", "operCmd := none", "report refused refusal"),
        Row(
            "TRANSMIT_KEEPALIVE", "mismatched", "operCmd", "TRANSMIT_DEASSOC", "operCmd := none", "send deAssociate",
            "report mismatched"),
        Row("TRANSMIT_KEEPALIVE", "bridge DeAssoc", "", "INIT", "operCmd := none", "report bridge DeAssoc"),
        Row("TRANSMIT_KEEPALIVE", "waitWhile = 0", "", "INIT", "operCmd := none", "report timeout"),

        Row("TRANSMIT_DEASSOC", "command", "DeAssoc", "SAME"),
        Row("TRANSMIT_DEASSOC", "granted", "DeAssoc", "INIT"),
        Row("TRANSMIT_DEASSOC", "refused", "DeAssoc", "INIT"),
        Row("TRANSMIT_DEASSOC", "mismatched", "DeAssoc", "INIT"),
        Row("TRANSMIT_DEASSOC", "bridge DeAssoc", "", "INIT"),
        Row("TRANSMIT_DEASSOC", "waitWhile = 0", "", "INIT"),

        Row("ANY", "command", "", "STATION_PROCESSING", "sysCmd := command", "send sysCmd"),
        Row("ANY", "peer lost", "", "INIT", "operCmd := none", "report peer lost"),
    ]

    /// Section 5.9. A De-Associate is answered by success in every state; what is invalid is refused at once.
    static let bridge = [
        Row("INIT", "request", "DeAssoc", "INIT", "answer deAssociate"),
        Row("INIT", "repeated request", "DeAssoc", "INIT", "answer deAssociate"),
        Row("INIT", "invalid request", "DeAssoc", "INIT", "answer deAssociate"),
        Row("INIT", "request", "", "BRIDGE_PROCESSING", "sysCmd := command", "work on sysCmd"),
        Row("INIT", "repeated request", "", "BRIDGE_PROCESSING", "sysCmd := command", "work on sysCmd"),
        Row("INIT", "invalid request", "", "INIT", "error command refusal"),

        Row("BRIDGE_PROCESSING", "request", "DeAssoc", "INIT", "answer deAssociate", "stop work", "release"),
        Row("BRIDGE_PROCESSING", "repeated request", "DeAssoc", "INIT", "answer deAssociate", "stop work", "release"),
        Row("BRIDGE_PROCESSING", "invalid request", "DeAssoc", "INIT", "answer deAssociate", "stop work", "release"),
        Row("BRIDGE_PROCESSING", "request", "", "SAME", "stop work", "sysCmd := command", "work on sysCmd"),
        Row("BRIDGE_PROCESSING", "repeated request", "", "SAME"),
        Row(
            "BRIDGE_PROCESSING", "invalid request", "bound", "WAIT_STATION_CMD", "error command refusal kept",
            "stop work", "start toutKeepAlive"),
        Row("BRIDGE_PROCESSING", "invalid request", "", "INIT", "error command refusal", "stop work"),
        Row(
            "BRIDGE_PROCESSING", "work ok", "", "WAIT_STATION_CMD", "operCmd := sysCmd", "answer sysCmd",
            "start toutKeepAlive", "bind operCmd"),
        Row(
            "BRIDGE_PROCESSING", "work fails", "keep,bound", "WAIT_STATION_CMD", "error sysCmd refusal kept",
            "start toutKeepAlive"),
        Row("BRIDGE_PROCESSING", "work fails", "", "INIT", "error sysCmd refusal", "release"),
        Row(
            "BRIDGE_PROCESSING", "waitWhile = 0", "bound", "WAIT_STATION_CMD", "error sysCmd 2 soft kept", "stop work",
            "start toutKeepAlive"),
        Row("BRIDGE_PROCESSING", "waitWhile = 0", "", "INIT", "send DeAssoc", "stop work"),
        Row("BRIDGE_PROCESSING", "admin removal", "", "INIT", "send DeAssoc", "stop work", "release"),
        Row("BRIDGE_PROCESSING", "station lost", "", "INIT", "stop work", "release"),

        Row("WAIT_STATION_CMD", "request", "DeAssoc", "INIT", "answer deAssociate", "release"),
        Row("WAIT_STATION_CMD", "repeated request", "DeAssoc", "INIT", "answer deAssociate", "release"),
        Row("WAIT_STATION_CMD", "invalid request", "DeAssoc", "INIT", "answer deAssociate", "release"),
        Row("WAIT_STATION_CMD", "repeated request", "operCmd", "SAME", "answer operCmd", "start toutKeepAlive"),
        Row("WAIT_STATION_CMD", "repeated request", "", "BRIDGE_PROCESSING", "sysCmd := command", "work on sysCmd"),
        Row("WAIT_STATION_CMD", "request", "", "BRIDGE_PROCESSING", "sysCmd := command", "work on sysCmd"),
        Row("WAIT_STATION_CMD", "invalid request", "", "SAME", "error command refusal kept", "start toutKeepAlive"),
        Row("WAIT_STATION_CMD", "keep-alive over", "", "INIT", "send DeAssoc", "release"),
        Row("WAIT_STATION_CMD", "admin removal", "", "INIT", "send DeAssoc", "release"),
        Row("WAIT_STATION_CMD", "station lost", "", "INIT", "release"),
    ]

    /// The same in the draft, whose refusals have no Keep: whoever is refused has nothing left.
    static let bridgeWithoutKeep =
        [
            Row(
                "BRIDGE_PROCESSING", "invalid request", "DeAssoc", "INIT", "answer deAssociate", "stop work", "release"),
            Row(
                "BRIDGE_PROCESSING", "invalid request", "", "INIT", "error command refusal", "stop work", "release"),
            Row("BRIDGE_PROCESSING", "work fails", "", "INIT", "error sysCmd refusal", "release"),
            Row("BRIDGE_PROCESSING", "waitWhile = 0", "", "INIT", "error sysCmd 2 soft", "stop work", "release"),
            Row("WAIT_STATION_CMD", "invalid request", "DeAssoc", "INIT", "answer deAssociate", "release"),
            Row("WAIT_STATION_CMD", "invalid request", "", "INIT", "error command refusal", "release"),
        ] + bridge
}
