import Testing

@testable import EVBProtocol

@Suite("A value in memory of its own")
struct SeparateTests {
    private struct Owner {
        @Separate var numbers = [1, 2, 3]
    }

    @Test("a copy keeps what it was when the other changes")
    func copies() {
        var first = Owner()
        var second = first
        second.numbers.append(4)
        #expect(first.numbers == [1, 2, 3] && second.numbers == [1, 2, 3, 4])
        first.numbers[0] = 7
        let third = first
        first.numbers = []
        #expect(first.numbers == [] && second.numbers == [1, 2, 3, 4] && third.numbers == [7, 2, 3])
    }

    @Test("a value without copies is changed in its place")
    func inPlace() {
        var owner = Owner()
        owner.numbers.reserveCapacity(100)
        let before = owner.numbers.withUnsafeBufferPointer { $0.baseAddress }
        for number in 4..<50 { owner.numbers.append(number) }
        #expect(owner.numbers.withUnsafeBufferPointer { $0.baseAddress } == before)
    }
}
