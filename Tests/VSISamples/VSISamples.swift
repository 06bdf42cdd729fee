import EVBSettings
import EVBWire
import SettingsFile

/// The VSI types of a text.
package func database(_ text: String) throws -> VSITypeDatabase {
    try VSITypeDatabase.parse(Array(text.utf8), file: "types.yaml")
}

/// A VSIID that a number makes.
package func vsi(_ number: UInt64) -> VSIID { VSIID(format: .uuid, high: 0xE7BD, low: number) }

/// A filter entry; without an address for the formats that carry none.
package func entry(_ address: String?, _ vid: UInt16, pcp: UInt8? = nil, group: UInt32? = nil) -> FilterEntry {
    FilterEntry(vid: vid, pcp: pcp, macAddress: address.flatMap { MACAddress($0) }, groupID: group)
}

package let machineOne = "52:54:00:00:00:01"
package let machineTwo = "52:54:00:00:00:02"
