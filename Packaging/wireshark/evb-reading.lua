-- Reads octets and adds them to the tree, never beyond the structure that they are part of. A part of evb.lua.

return function(context)
  local fields, labels, malformed, cut = context.fields, context.labels, context.malformed, context.cut

  local Cursor = {}
  Cursor.__index = Cursor

  -- Reads the octets of `tvb` from `at` up to `stop`, which is not beyond its end.
  function Cursor.new(tvb, at, stop)
    return setmetatable({ tvb = tvb, at = math.min(at, stop), stop = stop }, Cursor)
  end

  function Cursor:left() return self.stop - self.at end

  -- The next `count` octets, or nil where there are fewer or none is asked for.
  function Cursor:take(count)
    if count < 1 or count > self:left() then return nil end
    local range = self.tvb(self.at, count)
    self.at = self.at + count
    return range
  end

  -- A cursor over the next `count` octets alone; nil where there are fewer.
  function Cursor:inner(count)
    if count > self:left() then return nil end
    self.at = self.at + count
    return Cursor.new(self.tvb, self.at - count, self.at)
  end

  -- Whether the frame was longer than what of it was captured, and this is where that ends.
  function Cursor:is_cut() return self.stop == self.tvb:len() and self.tvb:reported_len() > self.tvb:len() end

  -- Marks `tree` as wrong, or as cut short by the capture.
  local function complain(tree, cursor, text)
    if cursor:is_cut() then
      tree:add_proto_expert_info(cut, "the capture ends here: " .. text)
    else
      tree:add_proto_expert_info(malformed, text)
    end
  end

  -- Adds the next `count` octets under `name`, and gives them; nil, with a complaint, where there are fewer.
  local function add(tree, cursor, name, count)
    local range = cursor:take(count)
    if not range then
      complain(tree, cursor, "it ends before: " .. labels[name])
      return nil
    end
    return range, tree:add(fields[name], range)
  end

  -- Adds several fields that share the next `count` octets.
  local function add_bits(tree, cursor, count, names)
    local range = add(tree, cursor, names[1], count)
    if not range then return nil end
    for index = 2, #names do tree:add(fields[names[index]], range) end
    return range
  end

  -- Calls `visit(kind, cursor of the value, item)` for each TLV, until it gives true.
  local function each_tlv(tree, cursor, visit)
    while cursor:left() > 0 do
      local start = cursor.at
      local header = cursor:take(2)
      if not header then
        -- lldpad sends no end TLV: one octet of padding may be left.
        if cursor.tvb(start, 1):uint() ~= 0 then complain(tree, cursor, "it ends within a TLV's header") end
        return
      end
      local kind, length = header:bitfield(0, 7), header:bitfield(7, 9)
      local value = cursor:inner(length)
      local item = tree:add(fields["evbvdp.tlv"], cursor.tvb(start, math.min(2 + length, cursor.stop - start)))
      item:set_text((context.tlv_names[kind] or "TLV of the reserved type " .. kind))
      item:add(fields["evbvdp.tlv.type"], header)
      item:add(fields["evbvdp.tlv.length"], header)
      if not value then
        complain(item, cursor, string.format("it claims %d octets, and %d are left", length, cursor:left()))
        return
      end
      if visit(kind, value, item) then return end
    end
  end

  return { Cursor = Cursor, add = add, add_bits = add_bits, complain = complain, each_tlv = each_tlv }
end
