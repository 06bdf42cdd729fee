package import EVBModel
package import EVBWire

/// What a list compares before it writes a VSI out: cheap to have, for a list passes over thousands of VSIs.
package struct VSITraits {
    package var reason: EVBModel.VSIReason?
    package var managerID: VSIManagerID
    package var typeID: UInt32
    package var filter: FilterInfo
    /// The name of the VSI's link; while there is none, of the one that is wanted.
    package var link: String?
    package var label: String?

    package init(
        reason: EVBModel.VSIReason?, managerID: VSIManagerID, typeID: UInt32, filter: FilterInfo, link: String? = nil,
        label: String? = nil
    ) {
        self.reason = reason
        self.managerID = managerID
        self.typeID = typeID
        self.filter = filter
        self.link = link
        self.label = label
    }
}
