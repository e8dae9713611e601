import Manifests

/// The weights of a model folder in Hugging Face's layout, over one file or several.
///
/// Opening checks every header and the index completely; tensors are read one by one.
package final class ModelFolder {
  package let path: String
  /// In the order of the files, and within a file in the order of its bytes.
  package let tensorNames: [String]

  private let files: [SafetensorsFile]
  private let places: [String: (file: Int, entry: TensorEntry)]

  /// - Parameter path: a folder with model.safetensors, or model.safetensors.index.json and the
  ///   files that it names.
  package convenience init(path: String) throws {
    let path = withoutTrailingSlash(path)
    guard isFolder(path) else {
      throw CheckpointError(
        place: path, expected: "a model folder", found: exists(path) ? "a file" : "nothing there",
        remedy: "name the folder that holds config.json and \(weightsFileName)")
    }
    if exists("\(path)/\(weightsFileName)") {
      let file = try SafetensorsFile(path: containedFile(weightsFileName, in: path))
      try self.init(path: path, files: [file])
    } else if exists("\(path)/\(weightsIndexName)") {
      try self.init(indexed: path)
    } else {
      throw Self.noWeights(path)
    }
  }

  private convenience init(indexed path: String) throws {
    let indexPath = try containedFile(weightsIndexName, in: path)
    let index = try readWeightsIndex(indexPath)
    var names: [String] = []
    var seen: Set<String> = []
    for place in index where seen.insert(place.file).inserted { names.append(place.file) }
    names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    var files: [SafetensorsFile] = []
    for name in names {
      guard exists("\(path)/\(name)") else {
        throw CheckpointError(
          place: "\(path)/\(name)", expected: "a file that \(weightsIndexName) names",
          found: "no such file", remedy: "fetch the missing file")
      }
      files.append(try SafetensorsFile(path: containedFile(name, in: path)))
    }
    try self.init(path: path, files: files)
    for place in index where places[place.tensor].map({ names[$0.file] }) != place.file {
      throw CheckpointError(
        place: "\(path)/\(place.file): tensor \(quoted(place.tensor))",
        expected: "the tensor, as \(weightsIndexName) says", found: "none of that name",
        remedy: "fetch all files of the model again")
    }
  }

  /// - Throws: ``CheckpointError`` when two files hold a tensor of the same name.
  init(path: String, files: [SafetensorsFile]) throws {
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

  /// The bytes of all tensors as they are stored.
  package var tensorBytes: Int { places.values.reduce(0) { $0 + $1.entry.bytes.count } }

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

  private static func noWeights(_ path: String) -> CheckpointError {
    for pickled in ["pytorch_model.bin", "pytorch_model.bin.index.json"]
    where exists("\(path)/\(pickled)") {
      return CheckpointError(
        place: path, expected: weightsFileName, found: "only \(pickled), which can run code",
        remedy: """
          convert it: python3 -c "import glob, torch, safetensors.torch as s; s.save_file({k: \
          v.contiguous().clone() for f in sorted(glob.glob('pytorch_model*.bin')) for k, v in \
          torch.load(f, weights_only=True).items()}, 'model.safetensors', {'format': 'pt'})" in \
          that folder
          """)
    }
    return CheckpointError(
      place: path, expected: "\(weightsFileName) or \(weightsIndexName)", found: "neither",
      remedy: "name the folder that holds the weights")
  }
}
