internal import EVBTime

/// Groups of VSIs whose keep-alives share a PDU, round after round: they were sent together, are answered together, and fall due together
/// again. While nothing else happens to them, a round changes one cohort in place of each VSI.
///
/// The slot of a VSI in a cohort is as it was when the VSI joined. Whatever else happens to one of them takes the whole cohort apart first.
struct Cohorts<Round> {
    struct Cohort {
        /// In the order of the PDU; none where the number is free.
        let slots: [Int32]
        /// The octets of the PDU that each round sends.
        let payload: [UInt8]
        /// How the round stands.
        var round: Round
    }

    private var cohorts: [Cohort] = []
    private var freeNumbers: [Int] = []
    /// For each slot the number of its cohort, or -1.
    private var numbers: [Int32] = []
    /// The one deadline that each cohort may have.
    private(set) var deadlines = DeadlineHeap()
    /// Those whose PDU waits for ECP, first come first served.
    private(set) var ready: [Int] = []
    /// The one whose PDU ECP has under way.
    var inFlight: Int?

    var isEmpty: Bool { cohorts.count == freeNumbers.count }

    /// The numbers of all.
    var all: [Int] { cohorts.indices.filter { !cohorts[$0].slots.isEmpty } }

    /// The number of the cohort that the VSI in a slot is in; nil for one that is on its own.
    @inline(__always) func number(of slot: Int) -> Int? {
        guard slot < numbers.count, case let number = numbers[slot], number >= 0 else { return nil }
        return Int(number)
    }

    subscript(number: Int) -> Cohort {
        // Without the attribute each change would ask for memory.
        @inline(__always) _read { yield cohorts[number] }
        @inline(__always) _modify { yield &cohorts[number] }
    }

    /// Makes a cohort of VSIs that are on their own.
    mutating func add(_ slots: [Int32], payload: [UInt8], _ round: Round) -> Int {
        let number = freeNumbers.popLast() ?? cohorts.count
        let cohort = Cohort(slots: slots, payload: payload, round: round)
        if number < cohorts.count { cohorts[number] = cohort } else { cohorts.append(cohort) }
        for slot in slots {
            while numbers.count <= Int(slot) { numbers.append(-1) }
            numbers[Int(slot)] = Int32(number)
        }
        return number
    }

    /// Takes a cohort apart. The caller brings its VSIs up to date.
    mutating func remove(_ number: Int) -> Cohort {
        let cohort = cohorts[number]
        precondition(!cohort.slots.isEmpty, "there is no cohort \(number)")
        cohorts[number] = Cohort(slots: [], payload: [], round: cohort.round)
        freeNumbers.append(number)
        for slot in cohort.slots { numbers[Int(slot)] = -1 }
        deadlines.set(number, nil)
        ready.removeAll { $0 == number }
        return cohort
    }

    /// Arms the deadline of a cohort; nil for none.
    mutating func setDeadline(_ number: Int, _ deadline: Instant?) { deadlines.set(number, deadline) }

    /// The PDU of a cohort waits for ECP.
    mutating func makeReady(_ number: Int) { ready.append(number) }

    /// Takes the one out whose PDU leaves.
    mutating func takeReady() { ready.removeFirst() }

    /// No PDU waits for ECP any more, and none is under way there.
    mutating func forgetSending() {
        ready.removeAll()
        inFlight = nil
    }
}
