import Foundation

// How numbers are written for people.

/// With `digits` behind the point; a dash for what is not there.
func fixed(_ value: Double?, _ digits: Int) -> String {
  value.map { String(format: "%.\(digits)f", $0) } ?? "–"
}

/// At most `digits` significant digits, without zeros at the end: 0.3499, 5e-5, 12300.
func significant(_ value: Double, _ digits: Int = 4) -> String {
  let text = String(format: "%.\(digits)g", value)
  guard let exponent = text.firstIndex(of: "e"),
    let power = Int(text[text.index(after: exponent)...])
  else { return text }
  return abs(value) >= 1 && abs(value) < 1e15
    ? String(format: "%.0f", value) : "\(text[..<exponent])e\(power)"
}

/// 1,234,567; a large number may have any digits behind the sixteenth.
func grouped(_ value: Double) -> String {
  Int(exactly: value.rounded()).map(grouped) ?? significant(value)
}

/// 1,234,567
func grouped(_ value: Int) -> String {
  var text = ""
  for (place, digit) in String(value.magnitude).reversed().enumerated() {
    if place > 0, place % 3 == 0 { text.append(",") }
    text.append(digit)
  }
  return (value < 0 ? "-" : "") + String(text.reversed())
}

/// As a label of an axis: 0.25, 500, 1.5k, 2M.
func short(_ value: Double) -> String {
  for (size, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where abs(value) >= size * 0.99995 {
    return significant(value / size, 4) + unit
  }
  return significant(value, 4)
}

/// 12.3 MB, in powers of ten.
func bytesText(_ bytes: Double) -> String {
  for (size, unit) in [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")] where bytes >= size {
    return fixed(bytes / size, bytes >= 100 * size ? 0 : 1) + " " + unit
  }
  return fixed(bytes, 0) + " B"
}

/// 0.012 s, 12.3 s, 4 min 05 s, 2 h 03 min.
func durationText(_ seconds: Double?) -> String {
  guard let seconds else { return "–" }
  if seconds < 1 { return significant(seconds, 2) + " s" }
  if seconds < 60 { return fixed(seconds, 1) + " s" }
  guard let whole = Int(exactly: seconds.rounded()) else { return significant(seconds) + " s" }
  if whole < 3600 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
  return String(format: "%d h %02d min", whole / 3600, whole % 3600 / 60)
}

func percent(_ share: Double) -> String { fixed(100 * share, share < 0.1 ? 1 : 0) + "%" }

/// A coordinate of SVG.
func coordinate(_ value: Double) -> String {
  let text = String(format: "%.1f", value)
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
