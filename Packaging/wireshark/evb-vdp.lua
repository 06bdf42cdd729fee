-- VDP's TLVs, ratified and draft, as trees. A part of evb.lua.

return function(context)
  local fields, malformed, unknown = context.fields, context.malformed, context.unknown
  local add, add_bits, complain, each_tlv =
    context.reading.add, context.reading.add_bits, context.reading.complain, context.reading.each_tlv

  local function hex(range) return range:bytes():tohex(true) end

  local function is_zero(range) return not hex(range):find("[^0]") end

  -- The VSIID as text, with its typed form in the tree.
  local function add_vsiid(tree, cursor, format)
    local range, item = add(tree, cursor, "evbvdp.vsiid", 16)
    if not range then return nil end
    local name, part
    if format == 1 and (is_zero(range(0, 12)) or is_zero(range(0, 10)) and range(10, 2):uint() == 0xffff) then
      name, part = "evbvdp.vsiid.ipv4", range(12, 4)
    elseif format == 2 then
      name, part = "evbvdp.vsiid.ipv6", range
    elseif format == 3 and is_zero(range(0, 10)) then
      name, part = "evbvdp.vsiid.mac", range(10, 6)
    elseif format == 5 then
      name, part = "evbvdp.vsiid.uuid", range
    elseif format ~= 4 then
      item:add_proto_expert_info(unknown, "the octets do not suit the format")
    end
    if name then item:add(fields[name], part) end
    if format == 5 then
      local digits = hex(range)
      return table.concat({ digits:sub(1, 8), digits:sub(9, 12), digits:sub(13, 16), digits:sub(17, 20), digits:sub(21) }, "-")
    elseif name == "evbvdp.vsiid.ipv4" then
      return tostring(part:ipv4())
    elseif name == "evbvdp.vsiid.ipv6" then
      return tostring(part:ipv6())
    elseif name == "evbvdp.vsiid.mac" then
      return tostring(part:ether())
    end
    return hex(range)
  end

  -- Format, count and entries; what is not an entry whole is not read.
  local function add_filter(tree, cursor, is_draft)
    local format = add(tree, cursor, "evbvdp.filter.format", 1)
    if not format then return end
    local count = add(tree, cursor, "evbvdp.filter.count", 2)
    if not count then return end
    format, count = format:uint(), count:uint()
    local has_group, has_mac = format == 3 or format == 4, format == 2 or format == 4
    if not context.filter_formats[format] or is_draft and format ~= 2 then
      tree:add_proto_expert_info(unknown, string.format("filter info format %d is not known here", format))
      return
    end
    local size = 2 + (has_group and 4 or 0) + (has_mac and 6 or 0)
    if count * size ~= cursor:left() then
      complain(tree, cursor,
        string.format("%d entries of %d octets do not fill the %d that are left", count, size, cursor:left()))
    end
    for _ = 1, math.min(count, math.floor(cursor:left() / size)) do
      local item = tree:add(fields["evbvdp.filter"], cursor.tvb(cursor.at, size))
      local text = {}
      if has_group then
        text[#text + 1] = "GroupID " .. add(item, cursor, "evbvdp.filter.group", 4):uint()
      end
      if has_mac then
        text[#text + 1] = "MAC " .. tostring(add(item, cursor, "evbvdp.filter.mac", 6):ether())
      end
      local word = add_bits(item, cursor, 2, { "evbvdp.filter.ps", "evbvdp.filter.pcp", "evbvdp.filter.vid" })
      local vid = word:bitfield(4, 12)
      text[#text + 1] = vid == 0 and "VID 0 (the bridge's choice)" or "VID " .. vid
      if word:bitfield(0, 1) == 1 then text[#text + 1] = "PCP " .. word:bitfield(1, 3) end
      item:set_text("Entry: " .. table.concat(text, ", "))
    end
  end

  local function add_status(tree, cursor)
    local range, item = add(tree, cursor, "evbvdp.status", 1)
    if not range then return nil end
    local is_answer = range:bitfield(1, 1) == 1
    item:add(fields["evbvdp.status.answer"], range)
    for _, name in ipairs(is_answer and { "keep", "hard", "reason" } or { "suspended", "migrating" }) do
      item:add(fields["evbvdp.status." .. name], range)
    end
    local code = range:bitfield(4, 4)
    local words = { is_answer and (context.reasons[code] or "reserved reason " .. code) or "request" }
    if range:bitfield(2, 1) == 1 then words[#words + 1] = is_answer and "Keep" or "S" end
    if range:bitfield(3, 1) == 1 then words[#words + 1] = is_answer and "Hard" or "M" end
    local text = table.concat(words, ", ")
    item:append_text(" (" .. text .. ")")
    return text
  end

  -- An association TLV; gives a text for the column of information.
  local function add_association(kind, cursor, item)
    local status = add_status(item, cursor)
    if not status or not add(item, cursor, "evbvdp.type", 3) or not add(item, cursor, "evbvdp.type.version", 1) then return nil end
    local format = add(item, cursor, "evbvdp.vsiid.format", 1)
    if not format then return nil end
    local vsiid = add_vsiid(item, cursor, format:uint())
    if not vsiid then return nil end
    item:append_text(string.format(": %s, %s", vsiid, status))
    -- A De-Associate may go without the filter: it is about the whole VSI.
    if kind ~= 4 or cursor:left() > 0 then add_filter(item, cursor, false) end
    return string.format("%s %s (%s)", context.tlv_names[kind], vsiid, status)
  end

  -- The manager ID as a number, an address or text, where it looks like one.
  local function manager_text(range)
    if is_zero(range) then return "the bridge's own choice" end
    if is_zero(range(1, 15)) then return tostring(range(0, 1):uint()) end
    if is_zero(range(0, 15)) then return tostring(range(15, 1):uint()) end
    if is_zero(range(0, 10)) and range(10, 2):uint() == 0xffff then return tostring(range(12, 4):ipv4()) end
    local text = range:raw():match("^([\33-\126]+)%z*$")
    return text or hex(range)
  end

  local function add_organizational(cursor, item)
    local oui = add(item, cursor, "evbvdp.org.oui", 3)
    if not oui then return end
    item:append_text(string.format(": OUI %s", hex(oui)))
    if cursor:left() > 0 then add(item, cursor, "evbvdp.org.data", cursor:left()) end
  end

  -- What is behind the end TLV, or is all that there is.
  local function add_padding(tree, cursor)
    if cursor:left() > 0 then add(tree, cursor, "evbvdp.padding", cursor:left()) end
  end

  -- The ratified VDPDU; gives what the TLVs are about.
  local function add_vdpdu(tree, cursor)
    local said, is_first = {}, true
    each_tlv(tree, cursor, function(kind, value, item)
      if is_first and kind ~= 5 then item:add_proto_expert_info(malformed, "the VSI manager ID has to come first") end
      if not is_first and kind == 5 then item:add_proto_expert_info(malformed, "a second VSI manager ID") end
      is_first = false
      if kind == 0 then
        if value:left() > 0 then complain(item, value, "an end TLV has no value") end
        return true
      elseif kind <= 4 then
        said[#said + 1] = add_association(kind, value, item)
      elseif kind == 5 then
        local range = add(item, value, "evbvdp.manager", 16)
        if range then item:append_text(": " .. manager_text(range)) end
        if value:left() > 0 then complain(item, value, "a VSI manager ID has 16 octets") end
      elseif kind == 127 then
        add_organizational(value, item)
      elseif value:left() > 0 then
        add(item, value, "evbvdp.tlv.value", value:left())
      end
    end)
    if is_first then complain(tree, cursor, "the VSI manager ID is missing") end
    add_padding(tree, cursor)
    return said
  end

  -- The draft's VSI TLV, whose fixed part stands before its filter.
  local function add_draft_vsi(cursor, item)
    local oui = add(item, cursor, "evbvdp.draft.oui", 3)
    local subtype = oui and add(item, cursor, "evbvdp.draft.subtype", 1)
    if not subtype then return nil end
    if oui:uint() ~= context.draft_oui or subtype:uint() ~= 2 then
      if cursor:left() > 0 then add(item, cursor, "evbvdp.org.data", cursor:left()) end
      return nil
    end
    local command = add(item, cursor, "evbvdp.draft.command", 1)
    local response = command and add(item, cursor, "evbvdp.draft.response", 1)
    if not response or not add(item, cursor, "evbvdp.draft.manager", 1) or not add(item, cursor, "evbvdp.type", 3)
      or not add(item, cursor, "evbvdp.type.version", 1) then return nil end
    local vsiid = add_vsiid(item, cursor, 5)
    if not vsiid then return nil end
    for range, names in pairs({ [command] = context.draft_commands, [response] = context.draft_responses }) do
      if not names[range:uint()] then item:add_proto_expert_info(unknown, "a mode or response that the draft does not have") end
    end
    local name = context.draft_commands[command:uint()] or "mode " .. command:uint()
    local said = context.draft_responses[response:uint()] or "response " .. response:uint()
    item:set_text(string.format("%s: %s, %s", name, vsiid, said))
    add_filter(item, cursor, true)
    return string.format("%s %s", name, vsiid)
  end

  local function add_draft_vdpdu(tree, cursor)
    local said = {}
    each_tlv(tree, cursor, function(kind, value, item)
      if kind == 0 then
        if value:left() > 0 then complain(item, value, "an end TLV has no value") end
        return true
      elseif kind == 127 then
        said[#said + 1] = add_draft_vsi(value, item)
      elseif value:left() > 0 then
        item:set_text("TLV of type " .. kind)
        add(item, value, "evbvdp.tlv.value", value:left())
      end
    end)
    add_padding(tree, cursor)
    return said
  end

  return { add_vdpdu = add_vdpdu, add_draft_vdpdu = add_draft_vdpdu }
end
