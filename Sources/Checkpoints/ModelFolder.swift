import Manifests

/// The weights of a model folder in Hugging Face's layout, over one file or several.
///
/// Opening checks every header and the index completely; tensors are read one by one.
package final class ModelFolder {
  package let path: String
  /// In the order of the files, and within a file in the order of its bytes.
  package let tensorNames: [String]

  private let files: [any TensorFile]
  private let places: [String: (file: Int, entry: TensorEntry)]

  /// - Parameter path: a folder with model.safetensors or pytorch_model.bin, or with the index of
  ///   one (model.safetensors.index.json) and the files that it names; looked for in this order.
  package convenience init(path: String) throws {
    let path = withoutTrailingSlash(path)
    guard isFolder(path) else {
      throw CheckpointError(
        place: path, expected: "a model folder", found: exists(path) ? "a file" : "nothing there",
        remedy: "name the folder that holds config.json and \(weightsFileName)")
    }
    let kinds = WeightsKind.allCases
    if let kind = kinds.first(where: { $0.lies(in: path) }) {
      if exists("\(path)/\(kind.fileName)") {
        let file = try kind.open(containedFile(kind.fileName, in: path))
        try self.init(path: path, files: [file])
      } else {
        try self.init(indexed: path, kind)
      }
    } else {
      throw CheckpointError(
        place: path,
        expected: kinds.map(\.fileName).joined(separator: ", ") + " or an index (.index.json)",
        found: "none of them", remedy: "name the folder that holds the weights")
    }
  }

  private convenience init(indexed path: String, _ kind: WeightsKind) throws {
    let indexPath = try containedFile(kind.indexName, in: path)
    let index = try readWeightsIndex(indexPath, suffix: kind.suffix)
    var names: [String] = []
    var seen: Set<String> = []
    for place in index where seen.insert(place.file).inserted { names.append(place.file) }
    names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    var files: [any TensorFile] = []
    for name in names {
      guard exists("\(path)/\(name)") else {
        throw CheckpointError(
          place: "\(path)/\(name)", expected: "a file that \(kind.indexName) names",
          found: "no such file", remedy: "fetch the missing file")
      }
      files.append(try kind.open(containedFile(name, in: path)))
    }
    try self.init(path: path, files: files)
    for place in index where places[place.tensor].map({ names[$0.file] }) != place.file {
      throw CheckpointError(
        place: "\(path)/\(place.file): tensor \(quoted(place.tensor))",
        expected: "the tensor, as \(kind.indexName) says", found: "none of that name",
        remedy: "fetch all files of the model again")
    }
  }

  /// - Throws: ``CheckpointError`` when two files hold a tensor of the same name.
  init(path: String, files: [any TensorFile]) throws {
    var names: [String] = []
    var places: [String: (file: Int, entry: TensorEntry)] = [:]
    for (index, file) in files.enumerated() {
      for entry in file.tensors {
        if let other = places.updateValue((index, entry), forKey: entry.name) {
          throw CheckpointError(
            place: "\(file.path): tensor \(quoted(entry.name))", expected: "each tensor once",
            found: "it in \(files[other.file].path) as well", remedy: "fetch the folder again")
        }
        names.append(entry.name)
      }
    }
    self.path = path
    self.files = files
    self.places = places
    tensorNames = names
  }

  package func contains(_ name: String) -> Bool { places[name] != nil }

  /// Row-major, empty for a scalar; nil when there is no such tensor.
  package func shape(of name: String) -> [Int]? { places[name]?.entry.shape }

  /// The path of the file that holds a tensor.
  package func file(of name: String) -> String? { places[name].map { files[$0.file].path } }

  package func type(of name: String) -> ElementType? { places[name]?.entry.type }

  /// The product of a tensor's shape; 0 when there is no such tensor.
  package func elementCount(of name: String) -> Int { places[name]?.entry.elementCount ?? 0 }

  /// The files that hold the tensors, in order.
  package var filePaths: [String] { files.map(\.path) }

  /// The bytes of all tensors as they are stored.
  package var tensorBytes: Int { places.values.reduce(0) { $0 + $1.entry.byteCount } }

  /// Reads a tensor as float32, row-major; F16 and BF16 are widened, which is exact.
  /// - Parameters:
  ///   - shape: must be the stored shape.
  ///   - destination: overwritten with the product of `shape` elements.
  /// - Throws: an error naming file, tensor, both shapes or types; or path and errno.
  package func read(
    _ name: String, shape: [Int], into destination: UnsafeMutablePointer<Float>
  ) throws {
    guard let place = places[name] else {
      throw CheckpointError(
        place: files.count == 1 ? files[0].path : path,
        expected: "a tensor \(quoted(name)) of shape \(shapeText(shape))", found: "none",
        remedy: "use the weights that belong to this config.json")
    }
    try files[place.file].read(place.entry, shape: shape, into: destination)
  }
}
