-- Edge Virtual Bridging (IEEE 802.1Qbg, now IEEE 802.1Q clauses 40 to 43) for Wireshark and tshark, 4.0 or later.
--
-- Decodes the EVB TLV and the CDCP TLV of LLDP, ECP (EtherType 0x8940) and VDP, and the same of the pre-standard "draft 0.2" (OUI
-- 00-1B-3F, EtherType 0x88B7). To install: copy the *.lua of this folder to ~/.local/lib/wireshark/plugins. Not for root: tshark 4.4 and later load no Lua for it. For once:
-- tshark -X lua_script:evb.lua
--
-- Wireshark's own decoders of 0x8940 and 0x88B7 are replaced, for they misread VDP's filters. Its LLDP decoder stays; what it does
-- not know of EVB stands in a tree of its own below it. Filters: evb.* for LLDP, evbecp.* for ECP, evbvdp.* for VDP, and
-- evb.malformed for whatever is not as it has to be.
--
-- evb-reading.lua reads octets within bounds, evb-vdp.lua knows VDP's TLVs; this file has the fields, ECP and LLDP.

-- In a folder of plugins and named by -X lua_script as well, this file is loaded twice. The second time has nothing to add.
local is_first, evb = pcall(Proto, "evb", "Edge Virtual Bridging")
if not is_first then
  if tostring(evb):find("two protocols", 1, true) then return end
  error(evb)
end
local ecp = Proto("evbecp", "Edge Control Protocol (IEEE 802.1Q)")
local vdp = Proto("evbvdp", "VSI Discovery and Configuration Protocol (IEEE 802.1Q)")

local malformed = ProtoExpert.new("evb.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
local cut = ProtoExpert.new("evb.cut", "The capture ends here", expert.group.UNDECODED, expert.severity.NOTE)
local unknown = ProtoExpert.new("evb.unknown", "Unknown", expert.group.PROTOCOL, expert.severity.WARN)
evb.experts = { malformed, cut, unknown }

-- Names of numbers.

local MODES = { [0] = "not supported", "EVB bridge", "EVB station", "NVO3" }
local ROLS = { [0] = "the sender's own", "taken from the other side" }
local RRSTATS = { [0] = "off", "on", "reserved", "unknown" }
local ROLES = { [0] = "B (bridge)", "S (station)" }
local OPERATIONS = { [0] = "request", "acknowledgement" }
local SUBTYPES = { "VDP", "port extender control and status" }
local TLVS = {
  [0] = "End of VDPDU", "Pre-Associate", "Pre-Associate with resource reservation", "Associate", "De-Associate",
  "VSI manager ID", [127] = "Organizationally specific",
}
local REASONS = {
  [0] = "success", "invalid format", "insufficient resources", "unable to contact the VSI manager", "other failure",
  "invalid VID, GroupID or MAC address",
}
local VSIID_FORMATS = { "IPv4", "IPv6", "MAC", "local", "UUID" }
local FILTER_FORMATS = { "VID", "MAC/VID", "GroupID/VID", "GroupID/MAC/VID" }
local DRAFT_COMMANDS = { [0] = TLVS[1], TLVS[2], TLVS[3], TLVS[4] }
local DRAFT_RESPONSES = {
  [0] = "success", "invalid format", "insufficient resources", "unused VSI type ID", "VSI type ID violation",
  "VSI type version violation", "out of sync",
}

local DRAFT_OUI, DOT1_OUI = 0x001b3f, 0x0080c2
local EVB_SUBTYPE, CDCP_SUBTYPE = 0x0d, 0x0e

-- Fields. `labels` has each field's name for people, by its abbreviation.

local fields, labels = {}, {}
local function define(proto, list)
  for _, each in ipairs(list) do
    local name, kind, label = each[1], each[2], each[3]
    local abbreviation = proto.name:lower() .. "." .. name
    fields[abbreviation] = ProtoField[kind](abbreviation, label, each[4], each[5], each[6])
    labels[abbreviation] = label
  end
end

local DEC, HEX = base.DEC, base.HEX
define(evb, {
  { "tlv", "none", "TLV" }, { "tlv.length", "uint16", "Length of the TLV", DEC }, { "oui", "uint24", "OUI", HEX },
  { "subtype", "uint8", "Subtype", HEX },
  { "bgid", "bool", "BGID: the bridge can use GroupIDs", 8, nil, 0x04 },
  { "rrcap", "bool", "RRCAP: the bridge is able to reflect", 8, nil, 0x02 },
  { "rrctr", "bool", "RRCTR: the bridge reflects", 8, nil, 0x01 },
  { "sgid", "bool", "SGID: the station can use GroupIDs", 8, nil, 0x08 },
  { "rrreq", "bool", "RRREQ: the station asks for reflective relay", 8, nil, 0x04 },
  { "rrstat", "uint8", "RRSTAT: reflective relay as the station knows it", DEC, RRSTATS, 0x03 },
  { "retries", "uint8", "R: retries of ECP", DEC, nil, 0xe0 }, { "rte", "uint8", "RTE: ack timer of ECP", DEC, nil, 0x1f },
  { "mode", "uint8", "EVB mode", DEC, MODES, 0xc0 },
  { "rwd.rol", "uint8", "ROL of RWD", DEC, ROLS, 0x20 }, { "rwd", "uint8", "RWD: resource wait delay", DEC, nil, 0x1f },
  { "rka.rol", "uint8", "ROL of RKA", DEC, ROLS, 0x20 }, { "rka", "uint8", "RKA: reinit keep-alive", DEC, nil, 0x1f },
  { "cdcp.role", "uint32", "Role", DEC, ROLES, 0x80000000 },
  { "cdcp.scomp", "bool", "SComp: has an S-VLAN component", 32, nil, 0x08000000 },
  { "cdcp.chncap", "uint32", "ChnCap: S-channels that the sender supports", DEC, nil, 0x00000fff },
  { "cdcp.reserved", "uint32", "Reserved bits", HEX, nil, 0x77fff000 }, { "cdcp.rest", "bytes", "Octets after the last pair" },
  { "cdcp.channel", "none", "S-channel" }, { "cdcp.scid", "uint24", "SCID", DEC, nil, 0xfff000 },
  { "cdcp.svid", "uint24", "SVID", DEC, nil, 0x000fff },
  { "draft.supported.standard", "bool", "Supported: standard forwarding", 8, nil, 0x80 },
  { "draft.supported.relay", "bool", "Supported: reflective relay", 8, nil, 0x40 },
  { "draft.supported.rte", "bool", "Supported: RTE", 8, nil, 0x04 },
  { "draft.supported.ecp", "bool", "Supported: ECP", 8, nil, 0x02 },
  { "draft.supported.vdp", "bool", "Supported: VDP", 8, nil, 0x01 },
  { "draft.configured.standard", "bool", "Configured: standard forwarding", 8, nil, 0x80 },
  { "draft.configured.relay", "bool", "Configured: reflective relay", 8, nil, 0x40 },
  { "draft.configured.rte", "bool", "Configured: RTE", 8, nil, 0x04 },
  { "draft.configured.ecp", "bool", "Configured: ECP", 8, nil, 0x02 },
  { "draft.configured.vdp", "bool", "Configured: VDP", 8, nil, 0x01 },
  { "draft.supported.vsis", "uint16", "VSIs supported", DEC }, { "draft.configured.vsis", "uint16", "VSIs configured", DEC },
  { "draft.rte", "uint8", "RTE: ack timer of ECP", DEC, nil, 0x1f },
})
define(ecp, {
  { "version", "uint16", "Version", DEC, nil, 0xf000 }, { "operation", "uint16", "Operation", DEC, OPERATIONS, 0x0c00 },
  { "subtype", "uint16", "Subtype", DEC, SUBTYPES, 0x03ff }, { "sequence", "uint16", "Sequence number", DEC },
  { "draft.oui", "uint24", "OUI", HEX }, { "draft.padding", "uint8", "Padding", HEX },
  { "draft.subtype", "uint16", "Subtype", HEX }, { "draft.operation", "uint8", "Mode", DEC, OPERATIONS },
  { "payload", "bytes", "Payload" },
})
define(vdp, {
  { "tlv", "none", "TLV" }, { "tlv.type", "uint16", "Type", DEC, TLVS, 0xfe00 },
  { "tlv.length", "uint16", "Length", DEC, nil, 0x01ff },
  { "tlv.value", "bytes", "Value" }, { "manager", "bytes", "VSI manager ID" },
  { "status", "uint8", "Status", HEX }, { "status.answer", "bool", "Answer", 8, nil, 0x40 },
  { "status.suspended", "bool", "S: the VSI's user is suspended", 8, nil, 0x20 },
  { "status.migrating", "bool", "M: the VSI's user is migrating to here", 8, nil, 0x10 },
  { "status.keep", "bool", "Keep: the VSI stays as it was", 8, nil, 0x20 },
  { "status.hard", "bool", "Hard: the same request will fail again", 8, nil, 0x10 },
  { "status.reason", "uint8", "Reason", DEC, REASONS, 0x0f },
  { "type", "uint24", "VSI type ID", HEX }, { "type.version", "uint8", "VSI type version", DEC },
  { "vsiid.format", "uint8", "VSIID format", DEC, VSIID_FORMATS }, { "vsiid", "bytes", "VSIID" },
  { "vsiid.ipv4", "ipv4", "VSIID, an IPv4 address" }, { "vsiid.ipv6", "ipv6", "VSIID, an IPv6 address" },
  { "vsiid.mac", "ether", "VSIID, a MAC address" }, { "vsiid.uuid", "guid", "VSIID, a UUID" },
  { "filter.format", "uint8", "Filter info format", DEC, FILTER_FORMATS }, { "filter.count", "uint16", "Number of entries", DEC },
  { "filter", "none", "Entry" }, { "filter.group", "uint32", "GroupID", DEC }, { "filter.mac", "ether", "MAC address" },
  { "filter.ps", "bool", "PS: the PCP is significant", 16, nil, 0x8000 }, { "filter.pcp", "uint16", "PCP", DEC, nil, 0x7000 },
  { "filter.vid", "uint16", "VID", DEC, nil, 0x0fff },
  { "org.oui", "uint24", "OUI", HEX }, { "org.data", "bytes", "Information" },
  { "draft.oui", "uint24", "OUI", HEX }, { "draft.subtype", "uint8", "Subtype", HEX },
  { "draft.command", "uint8", "Mode", DEC, DRAFT_COMMANDS }, { "draft.response", "uint8", "Response", DEC, DRAFT_RESPONSES },
  { "draft.manager", "uint8", "VSI manager ID", DEC }, { "padding", "bytes", "Padding" },
})
for _, proto in ipairs({ evb, ecp, vdp }) do
  local own = {}
  for abbreviation, field in pairs(fields) do
    if abbreviation:match("^[^.]+") == proto.name:lower() then own[abbreviation] = field end
  end
  proto.fields = own
end

-- Plugins are run one by one, in no certain order; the parts of this one give functions and do nothing when they are run.
local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or ""
local reading = dofile(folder .. "evb-reading.lua")({
  fields = fields, labels = labels, malformed = malformed, cut = cut, tlv_names = TLVS,
})
local vdp_tlvs = dofile(folder .. "evb-vdp.lua")({
  fields = fields, unknown = unknown, malformed = malformed, reading = reading, tlv_names = TLVS, reasons = REASONS,
  filter_formats = FILTER_FORMATS, draft_commands = DRAFT_COMMANDS, draft_responses = DRAFT_RESPONSES, draft_oui = DRAFT_OUI,
})
local Cursor, add, add_bits, complain = reading.Cursor, reading.add, reading.add_bits, reading.complain

-- ECP.

-- What a request carries, below a tree of its own.
local function add_payload(tree, pinfo, cursor, decode)
  if cursor:left() == 0 then return end
  local item = tree:add(vdp, cursor.tvb(cursor.at, cursor:left()))
  local said = decode(item, cursor)
  pinfo.cols.protocol = "VDP"
  if #said > 0 then
    pinfo.cols.info:append(": " .. said[1] .. (#said > 1 and string.format(" and %d more", #said - 1) or ""))
  end
end

function ecp.dissector(tvb, pinfo, tree)
  local cursor = Cursor.new(tvb, 0, tvb:len())
  pinfo.cols.protocol = "ECP"
  pinfo.cols.info = "ECP"
  local item = tree:add(ecp, tvb())
  local word = add_bits(item, cursor, 2, { "evbecp.version", "evbecp.operation", "evbecp.subtype" })
  local sequence = word and add(item, cursor, "evbecp.sequence", 2)
  if not sequence then return tvb:len() end
  local version, operation, subtype = word:bitfield(0, 4), word:bitfield(4, 2), word:bitfield(6, 10)
  local text = string.format("%s %d", OPERATIONS[operation] or "operation " .. operation, sequence:uint())
  pinfo.cols.info = "ECP " .. text
  item:append_text(", " .. text)
  if version ~= 1 or not OPERATIONS[operation] or not SUBTYPES[subtype] then
    item:add_proto_expert_info(unknown, "a version, operation or subtype that the standard does not have: not to be acknowledged")
  end
  if version == 1 and operation == 0 and subtype == 1 then
    add_payload(tree, pinfo, cursor, vdp_tlvs.add_vdpdu)
  elseif cursor:left() > 0 then
    add(item, cursor, "evbecp.payload", cursor:left())
  end
  return tvb:len()
end

-- 0x88B7 is everybody's to experiment with: what is not of the draft's organization goes to whoever had it before.
local experimental = DissectorTable.get("ethertype"):get_dissector(0x88b7)
local draft = Proto("evbecpdraft", "Edge Control Protocol (draft 0.2)")

function draft.dissector(tvb, pinfo, tree)
  if tvb:len() < 3 or tvb(0, 3):uint() ~= DRAFT_OUI then
    if not experimental then return 0 end
    -- What it throws at a malformed frame would be a Lua error here.
    local is_sound, length = pcall(experimental.call, experimental, tvb, pinfo, tree)
    if not is_sound then tree:add_expert_info(PI_MALFORMED, PI_ERROR, "Malformed frame") end
    return is_sound and length or tvb:len()
  end
  local cursor = Cursor.new(tvb, 0, tvb:len())
  pinfo.cols.protocol = "ECP"
  pinfo.cols.info = "ECP (draft)"
  local item = tree:add(ecp, tvb())
  item:set_text("Edge Control Protocol (draft 0.2)")
  add(item, cursor, "evbecp.draft.oui", 3)
  local subtype = add(item, cursor, "evbecp.draft.padding", 1) and add(item, cursor, "evbecp.draft.subtype", 2)
  local operation = subtype and add(item, cursor, "evbecp.draft.operation", 1)
  local sequence = operation and add(item, cursor, "evbecp.sequence", 2)
  if not sequence then return tvb:len() end
  local text = string.format("%s %d", OPERATIONS[operation:uint()] or "mode " .. operation:uint(), sequence:uint())
  pinfo.cols.info = "ECP (draft) " .. text
  item:append_text(", " .. text)
  if subtype:uint() ~= 0 or not OPERATIONS[operation:uint()] then
    item:add_proto_expert_info(unknown, "a subtype or mode that the draft does not have")
  end
  if subtype:uint() == 0 and operation:uint() == 0 then
    add_payload(tree, pinfo, cursor, vdp_tlvs.add_draft_vdpdu)
  elseif cursor:left() > 0 then
    -- lldpad's acknowledgement is the request with zeros behind the header.
    add(item, cursor, "evbecp.payload", cursor:left())
  end
  return tvb:len()
end

DissectorTable.get("ethertype"):add(0x8940, ecp)
DissectorTable.get("ethertype"):add(0x88b7, draft)

-- LLDP. Its decoder has no table for IEEE 802.1's own TLVs, so they are looked for once it is done.

-- What an exponent of the EVB TLV stands for: 10 us x 2^exponent.
local function duration(exponent)
  local microseconds = 10 * 2 ^ exponent
  if microseconds < 1000 then return string.format("%d us", microseconds) end
  if microseconds < 1e6 then return string.format("%.2f ms", microseconds / 1e3) end
  return string.format("%.2f s", microseconds / 1e6)
end

local function add_evb(cursor, item)
  if not add_bits(item, cursor, 1, { "evb.bgid", "evb.rrcap", "evb.rrctr" }) then return nil end
  if not add_bits(item, cursor, 1, { "evb.sgid", "evb.rrreq", "evb.rrstat" }) then return nil end
  local ecp_octet = add_bits(item, cursor, 1, { "evb.retries", "evb.rte" })
  local rwd = ecp_octet and add_bits(item, cursor, 1, { "evb.mode", "evb.rwd.rol", "evb.rwd" })
  local rka = rwd and add_bits(item, cursor, 1, { "evb.rka.rol", "evb.rka" })
  if not rka then return nil end
  return MODES[rwd:bitfield(0, 2)], string.format(", RTE %s, RWD %s, RKA %s",
    duration(ecp_octet:bitfield(3, 5)), duration(rwd:bitfield(3, 5)), duration(rka:bitfield(3, 5)))
end

-- What a pair behind the first one cannot be; nil where it can.
local function pair_fault(scid, svid, is_bridge, scids, svids)
  if scid == 0 then return "SCID 0 is reserved" end
  if scid == 1 then return "the default S-channel is the first pair alone" end
  if svid == 4095 then return "SVID 4095 is reserved" end
  if svid == 1 then return "SVID 1 is the default S-channel's" end
  if svid == 0 and is_bridge then return "a bridge leaves out a channel that it gives no SVID" end
  if scids[scid] then return "an earlier pair has this SCID" end
  if svid ~= 0 and svids[svid] then return "an earlier pair has this SVID" end
end

local function add_cdcp(cursor, item)
  local word = add_bits(item, cursor, 4, { "evb.cdcp.role", "evb.cdcp.reserved", "evb.cdcp.scomp", "evb.cdcp.chncap" })
  if not word then return nil end
  local is_bridge, capacity = word:bitfield(0, 1) == 0, word:bitfield(20, 12)
  if capacity < 1 or capacity > 167 then item:add_proto_expert_info(malformed, "ChnCap has to be 1 to 167") end
  local is_first, scids, svids = true, {}, {}
  while cursor:left() >= 3 do
    local channel = item:add(fields["evb.cdcp.channel"], cursor.tvb(cursor.at, 3))
    local pair = add_bits(channel, cursor, 3, { "evb.cdcp.scid", "evb.cdcp.svid" })
    local scid, svid = pair:bitfield(0, 12), pair:bitfield(12, 12)
    channel:set_text(string.format("S-channel: SCID %d, SVID %d%s", scid, svid, svid == 0 and " (the bridge's choice)" or ""))
    if is_first and (scid ~= 1 or svid ~= 1) then channel:add_proto_expert_info(malformed, "the first pair has to be 1, 1") end
    local fault = not is_first and pair_fault(scid, svid, is_bridge, scids, svids)
    if fault then channel:add_proto_expert_info(malformed, fault) end
    is_first, scids[scid], svids[svid] = false, true, true
  end
  if is_first then complain(item, cursor, "the pair of the default S-channel, 1, 1, is missing") end
  if cursor:left() > 0 then
    complain(item, cursor, "the pairs do not fill the TLV")
    add(item, cursor, "evb.cdcp.rest", cursor:left())
  end
  return "role " .. ROLES[word:bitfield(0, 1)]
end

local function add_draft_evb(cursor, item)
  for _, kind in ipairs({ "supported", "configured" }) do
    local prefix = "evb.draft." .. kind .. "."
    if not add_bits(item, cursor, 1, { prefix .. "standard", prefix .. "relay" })
      or not add_bits(item, cursor, 1, { prefix .. "rte", prefix .. "ecp", prefix .. "vdp" }) then return nil end
  end
  if not add(item, cursor, "evb.draft.supported.vsis", 2) or not add(item, cursor, "evb.draft.configured.vsis", 2)
    or not add(item, cursor, "evb.draft.rte", 1) then return nil end
  return "draft 0.2"
end

local DECODERS = {
  [DOT1_OUI] = { [EVB_SUBTYPE] = { "EVB TLV", add_evb }, [CDCP_SUBTYPE] = { "CDCP TLV", add_cdcp } },
  [DRAFT_OUI] = { [0x00] = { "EVB TLV of the draft", add_draft_evb } },
}

local lldp_field = Field.new("lldp")

-- Adds the TLVs of EVB that the LLDPDU at `at` has.
local function add_lldpdu(tvb, at, pinfo, tree)
  local cursor = Cursor.new(tvb, at, tvb:len())
  local root, seen = nil, {}
  while true do
    local start = cursor.at
    local header = cursor:take(2)
    if not header or header:bitfield(0, 7) == 0 then return end
    local length = header:bitfield(7, 9)
    local value = cursor:inner(length)
    local whole = value ~= nil
    value = value or Cursor.new(tvb, cursor.at, cursor.stop)
    local key = header:bitfield(0, 7) == 127 and value:left() >= 4 and tvb(value.at, 4)
    local decoder = key and (DECODERS[key(0, 3):uint()] or {})[key(3, 1):uint()]
    if decoder then
      root = root or tree:add(evb, tvb(at, math.max(tvb:len() - at, 1)))
      local item = root:add(fields["evb.tlv"], tvb(start, value.stop - start))
      item:set_text(decoder[1])
      item:add(fields["evb.tlv.length"], header, length)
      item:add(fields["evb.oui"], value:take(3))
      item:add(fields["evb.subtype"], value:take(1))
      if seen[decoder] then item:add_proto_expert_info(malformed, "several of them: all are to be discarded") end
      seen[decoder] = true
      local said, more = decoder[2](value, item)
      if said then
        item:append_text(": " .. said .. (more or ""))
        pinfo.cols.info:append(string.format(" %s (%s)", decoder[1], said))
      end
      if not whole then complain(item, value, "the frame ends before the TLV") end
    end
    if not whole then return end
  end
end

function evb.dissector(tvb, pinfo, tree)
  for _, lldp in ipairs({ lldp_field() }) do
    if lldp.offset < tvb:len() then add_lldpdu(tvb, lldp.offset, pinfo, tree) end
  end
end

register_postdissector(evb)
