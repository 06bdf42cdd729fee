# Announcements: a large filter is not counted by its frames, so that a port sends without end.
# file: Sources/EVBStation/AnnouncementSchedule.swift
# swift: AnnouncementScheduleTests
s/if paid < count \{ resumesAt = .* \}$/_ = paid/
