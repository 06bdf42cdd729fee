internal import EVBWire

extension VDPStation {
    /// What is asked for a VSI, or holds. It never changes: what is asked or granted later is another one.
    ///
    /// There are tens of thousands: what many of them ask for alike is one object that they share, and the rest has none of its own.
    struct Terms {
        private let common: CommonTerms
        /// The filter as it was asked for.
        let asked: FilterInfo

        /// Takes a request with its filter, or with that as the bridge filled it in.
        init(_ request: VSIRequest, filter: FilterInfo) {
            common = CommonTerms(request, filled: filter == request.filter ? nil : filter)
            asked = request.filter
        }

        /// What is asked for, with what it has alike with others that were asked for lately.
        init(_ request: VSIRequest, sharing recent: inout RecentTerms) {
            common = recent.common(request)
            asked = request.filter
        }

        /// The request of a VSI with these terms, which do not have its name.
        @inline(__always) func request(_ vsiID: VSIID) -> VSIRequest {
            var request = VSIRequest(
                vsiID: vsiID, target: common.target, managerID: common.managerID, typeID: common.typeID,
                typeVersion: common.typeVersion, filter: asked, hint: common.hint,
                organizational: common.organizational, persistence: common.persistence)
            request.isKeptAlive = common.isKeptAlive
            return request
        }

        /// The request's, or as the bridge filled it in.
        var filter: FilterInfo {
            @inline(__always) get { common.filled ?? asked }
        }

        // What is looked at of each keep-alive, without a request that is put together for it.

        var managerID: VSIManagerID { @inline(__always) get { common.managerID } }
        var organizational: [OrganizationalInformation] { @inline(__always) get { common.organizational } }
        var target: VSIRequest.Target { @inline(__always) get { common.target } }
        var persistence: VSIRequest.Persistence { @inline(__always) get { common.persistence } }
        var isKeptAlive: Bool { @inline(__always) get { common.isKeptAlive } }

        @inline(__always) func tlv(_ command: VDPCommand, of vsiID: VSIID, filter: FilterInfo) -> VSITLV {
            VSIRequest.tlv(
                command, vsiID, typeID: common.typeID, typeVersion: common.typeVersion, hint: common.hint,
                filter: filter,
                organizational: common.organizational)
        }

        @inline(__always) func isGranted(by granted: FilterInfo) -> Bool { asked.isGranted(by: granted) }

        @inline(__always) func matches(_ answer: VSITLV, from manager: VSIManagerID) -> Bool {
            VSIRequest.agree(
                (common.managerID, common.typeID, common.typeVersion), (manager, answer.typeID, answer.typeVersion))
        }

        /// Whether it shares with another what both have alike.
        func shares(with other: Terms) -> Bool { common === other.common }

        /// Whether it is the same in all: where it may be, its other part is shared.
        func isSame(as other: Terms) -> Bool { common === other.common && asked == other.asked }
    }

    /// For each slot what its manager wants, and what the bridge has granted: the request as it was then, and the filter as the bridge filled
    /// it in. Nearly all are granted what they want, which then is kept once.
    struct TermsTable {
        private enum Grant: UInt8 {
            case none
            case asWanted
            case other
        }

        private(set) var wanted: [Terms?] = []
        private var grants: [Grant] = []
        /// What is granted where it is not what is wanted.
        private var others = SparseSlots<Terms?>(nil)

        /// Slots of which both are kept.
        var otherCount: Int { others.count }

        @inline(__always) func granted(_ slot: Int) -> Terms? {
            switch grants[slot] {
            case .none: nil
            case .asWanted: wanted[slot]
            case .other: others[slot]
            }
        }

        /// Whether anything is granted.
        @inline(__always) func isGranted(_ slot: Int) -> Bool { grants[slot] != .none }

        mutating func setWanted(_ slot: Int, _ terms: Terms) {
            let granted = granted(slot)
            wanted[slot] = terms
            setGranted(slot, granted)
        }

        mutating func setGranted(_ slot: Int, _ terms: Terms?) {
            let isAsWanted = terms.map { wanted[slot]?.isSame(as: $0) == true } ?? false
            if terms != nil, !isAsWanted {
                others[slot] = terms
            } else if grants[slot] == .other {
                others.remove(slot)
            }
            grants[slot] = terms == nil ? .none : isAsWanted ? .asWanted : .other
        }

        /// Adds a slot of which there is nothing.
        mutating func append() {
            wanted.append(nil)
            grants.append(.none)
        }

        /// Forgets both of a slot.
        mutating func forget(_ slot: Int) {
            setGranted(slot, nil)
            wanted[slot] = nil
        }

        mutating func reserveCapacity(_ count: Int) {
            wanted.reserveCapacity(count)
            grants.reserveCapacity(count)
        }
    }

    /// What VSIs may ask for alike: all but their names and their filters.
    fileprivate final class CommonTerms {
        let managerID: VSIManagerID
        let organizational: [OrganizationalInformation]
        let typeID: UInt32
        let typeVersion: UInt8
        let target: VSIRequest.Target
        let hint: VSIRequest.Hint
        let persistence: VSIRequest.Persistence
        let isKeptAlive: Bool
        /// The filter as the bridge filled it in, where that is not as it was asked for. Such terms are one VSI's.
        let filled: FilterInfo?

        init(_ request: VSIRequest, filled: FilterInfo?) {
            managerID = request.managerID
            organizational = request.organizational
            (typeID, typeVersion) = (request.typeID, request.typeVersion)
            (target, hint, persistence) = (request.target, request.hint, request.persistence)
            isKeptAlive = request.isKeptAlive
            self.filled = filled
        }

        func isCommon(to request: VSIRequest) -> Bool {
            typeID == request.typeID && typeVersion == request.typeVersion && managerID == request.managerID
                && target == request.target && hint == request.hint && persistence == request.persistence
                && isKeptAlive == request.isKeptAlive && organizational == request.organizational
        }
    }

    /// What was asked for lately, for VSIs that ask for the same.
    struct RecentTerms {
        /// VSIs come some types at a time.
        private static let most = 16

        private var all: [CommonTerms] = []
        /// The one that is replaced next.
        private var oldest = 0

        init() {}

        fileprivate mutating func common(_ request: VSIRequest) -> CommonTerms {
            if let known = all.first(where: { $0.isCommon(to: request) }) { return known }
            let new = CommonTerms(request, filled: nil)
            if all.count < Self.most {
                all.append(new)
            } else {
                all[oldest] = new
                oldest = (oldest + 1) % Self.most
            }
            return new
        }
    }
}
