/// The colours of runs. They differ for people who see no red or green, and each stands out from its
/// background by 3 to 1 at least: after Okabe and Ito, darker on white and lighter on black.
enum Palette {
  static let light = ["#0072b2", "#c44601", "#00795a", "#a83c8a", "#7a5c00", "#4a4a4a"]
  static let dark = ["#5cb8f0", "#ff8f4a", "#2fc79c", "#e893cb", "#e8c04a", "#c8c8c8"]
  static let count = light.count

  /// The rules that give each class of the page its colour.
  static var rules: String {
    light.indices.map { ".color-\($0){--color:var(--color-\($0))}" }.joined(separator: "\n")
  }

  static func variables(_ colors: [String]) -> String {
    colors.enumerated().map { "--color-\($0):\($1);" }.joined()
  }
}
