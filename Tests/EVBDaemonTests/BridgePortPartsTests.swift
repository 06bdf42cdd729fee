import EVBWire
import Glibc
import LinuxSystem
import Testing

@testable import BridgeDataplane
@testable import EVBBridge
@testable import EVBDaemon
@testable import EVBProtocol

private let vsi = VSIID(format: .local, high: 0, low: 1)
private let other = VSIID(format: .local, high: 0, low: 2)

private func ticket(_ number: UInt64) -> DecisionTicket { DecisionTicket(number: number) }

@Suite struct DecisionLedgerTests {
    @Test func whatIsAwaitedNeedsNoCorrection() {
        var ledger = DecisionLedger()
        ledger.asked(ticket(1), vsi)
        let isAwaited = ledger.made(ticket(1))
        let needsCorrection = ledger.settled(vsi, isForNobody: false)
        let isAwaitedAgain = ledger.made(ticket(1))
        #expect(isAwaited && !needsCorrection && !isAwaitedAgain)
    }

    @Test func whatIsGrantedToNobodyIsPutRight() {
        var ledger = DecisionLedger()
        ledger.asked(ticket(1), vsi)
        ledger.cancelled(ticket(1))
        let isAwaited = ledger.made(ticket(1))
        let needsCorrection = ledger.settled(vsi, isForNobody: true)
        let needsAnother = ledger.settled(vsi, isForNobody: false)
        #expect(!isAwaited && needsCorrection && !needsAnother)
    }

    @Test(arguments: [[1, 2], [2, 1]]) func itIsPutRightAfterTheLastDecisionOnTheVSI(_ order: [UInt64]) {
        var ledger = DecisionLedger()
        ledger.asked(ticket(1), vsi)
        ledger.cancelled(ticket(1))
        ledger.asked(ticket(2), vsi)
        ledger.asked(ticket(3), other)
        let corrections = order.map { number in
            let isAwaited = ledger.made(ticket(number))
            #expect(isAwaited == (number == 2))
            return ledger.settled(vsi, isForNobody: !isAwaited)
        }
        #expect(corrections == [false, true])
        let isOtherAwaited = ledger.made(ticket(3))
        let doesOtherNeedCorrection = ledger.settled(other, isForNobody: false)
        #expect(isOtherAwaited && !doesOtherNeedCorrection)
    }
}

@Suite struct HairpinNotesTests {
    private let directory = "/tmp/evbd-notes-\(Processes.ownID)-\(UInt32.random(in: .min ... .max))"

    private func withNotes(_ body: (HairpinNotes) throws -> Void) throws {
        try Files.makeDirectory(directory, mode: 0o700)
        let notes = HairpinNotes(runtimeDirectory: directory)
        defer {
            for port in notes.ports { notes.remove(port) }
            rmdir("\(directory)/hairpin")
            rmdir(directory)
        }
        try body(notes)
    }

    @Test func whatIsNotedIsReadAgain() throws {
        try withNotes { notes in
            #expect(notes.ports.isEmpty && notes.read("port0") == nil)
            let first = HairpinNotes.Note(portIndex: 7, bridgeIndex: 2_147_483_647, wasOn: true)
            let second = HairpinNotes.Note(portIndex: 8, bridgeIndex: 3, wasOn: false)
            try notes.write("port0", first)
            try notes.write("br-lan.100", second)
            #expect(notes.ports == ["br-lan.100", "port0"])
            #expect(notes.read("port0") == first && notes.read("br-lan.100") == second)
            try notes.write("port0", second)
            #expect(notes.read("port0") == second)
            notes.remove("port0")
            notes.remove("port0")
            #expect(notes.read("port0") == nil && notes.ports == ["br-lan.100"])
        }
    }

    @Test(arguments: [
        "", "7", "7 8", "7 8 maybe", "7 8 on off", "x 8 on", "99999999999 8 on",
        String(repeating: "7 8 on ", count: 20),
    ]) func whatIsNoNoteIsNone(_ text: String) throws {
        try withNotes { notes in
            try notes.write("port0", HairpinNotes.Note(portIndex: 1, bridgeIndex: 1, wasOn: false))
            try Files.write("\(directory)/hairpin/port0", Array(text.utf8), mode: 0o600)
            #expect(notes.read("port0") == nil)
        }
    }
}

@Suite struct AcceptingAdmissionTests {
    @Test("VDP-21 without a database of types a null VID is answered as it came")
    func nullVIDsStayNull() throws {
        let entries = [
            FilterEntry(vid: 0, macAddress: MACAddress(truncating: 0x5254_0000_0001)),
            FilterEntry(vid: 100, pcp: 5, macAddress: MACAddress(truncating: 0x5254_0000_0002)),
        ]
        let filter = try FilterInfo(checking: entries)
        let tlv = VSITLV(command: .associate, status: [], typeID: 1, typeVersion: 0, vsiID: vsi, filter: filter)
        var decision: BridgeDecision?
        AcceptingAdmission(registry: BridgeRegistry()).decide(
            BridgeRequest(tlv, from: .unspecified, holding: nil), on: "port0"
        ) { decision = $0.decision }
        #expect(decision == .grant(filter))
    }
}
