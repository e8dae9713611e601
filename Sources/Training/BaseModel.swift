import Checkpoints
import Foundation
import Manifests

/// The pretrained weights that a run began with, told so that others can find the same ones.
package struct BaseModel: Codable, Sendable, Equatable {
  /// Of its folder, without what leads there.
  package let name: String
  /// `organisation/model` on the Hugging Face hub, where its folders say so.
  package let hubID: String?
  /// Its weights: the hub shows the same SHA-256.
  package let files: [FileRecord]

  enum CodingKeys: String, CodingKey {
    case name, files
    case hubID = "hub_id"
  }

  /// Hashes the weights of a model folder.
  ///
  /// - Parameter progress: Called with the bytes of each block; may throw to end it.
  init(modelFolder path: String, progress: (Int) throws -> Void) throws {
    let components = URL(fileURLWithPath: path).standardizedFileURL.pathComponents
    hubID = Self.repository(ofFolders: components)
    name = hubID ?? components.last ?? path
    files = try ModelFolder(path: path).filePaths.map { file in
      let (hash, bytes) = try sha256OfFile(file, progress: progress)
      return FileRecord(name: splitPath(file).name, bytes: bytes, sha256: hash)
    }
  }

  /// The hub's name of a model, of the folders that its own programs and launch/fetch-model keep it in:
  /// `models--google--electra` above a snapshot, `google--electra`.
  private static func repository(ofFolders folders: [String]) -> String? {
    let cached = folders.last { $0.hasPrefix("models--") }?.dropFirst("models--".count)
    let name = cached.map(String.init) ?? folders.last ?? ""
    let parts = name.components(separatedBy: "--")
    let isName = { (part: String) in
      part.contains(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
    }
    return parts.count == 2 && parts.allSatisfy(isName) ? parts.joined(separator: "/") : nil
  }
}
