internal import EVBTime

extension SplitMix64 {
    /// A number from 0 to just under `bound`; 0 where there is none.
    mutating func below(_ bound: Int) -> Int { bound > 1 ? Int(next() % UInt64(bound)) : 0 }

    /// A number within a range.
    mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// Whether something happens that does so in `thousandths` of a thousand cases.
    mutating func chance(_ thousandths: Int) -> Bool { thousandths > 0 && below(1000) < thousandths }

    mutating func flag() -> Bool { next() & 1 == 1 }

    /// One of several; nil of none.
    mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[below(elements.count)]
    }

    /// One of those whose number this is by weight; nil when nothing has any.
    mutating func weighted<Element>(_ choices: [(Element, Int)]) -> Element? {
        let total = choices.reduce(0) { $0 + $1.1 }
        guard total > 0 else { return nil }
        var place = below(total)
        for (choice, weight) in choices {
            if place < weight { return choice }
            place -= weight
        }
        return nil
    }
}
