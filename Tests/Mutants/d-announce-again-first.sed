# Announcements: the second round of one VSI comes before the first of another.
# file: Sources/EVBStation/AnnouncementSchedule.swift
# swift: AnnouncementScheduleTests
s/max\(entry\.began \+ \.milliseconds\(Self\.rounds\[round\]\), now\)/entry.began/
