# Bridge: what a station does not ask for after a restart is never free again.
# file: Sources/EVBBridge/Admission/Reservations.swift
# swift: ReservationTests
s/\$0\.value\.until\.map \{ \$0 <= now \} \?\? false/$0.value.until.map { $0 <= now \&\& false } ?? false/
