import Manifests

// Hugging Face's names and cutting rule, as `save_pretrained(max_shard_size=...)` has them:
// model.safetensors, or model-00001-of-000NN.safetensors with model.safetensors.index.json.

let weightsFileName = "model.safetensors"
let weightsIndexName = "model.safetensors.index.json"

/// How a model folder may hold its weights.
enum WeightsKind: CaseIterable {
  /// What lockstep writes; preferred where a folder has both.
  case safetensors
  /// Read only.
  case torch

  /// The one file of all tensors.
  var fileName: String {
    switch self {
    case .safetensors: weightsFileName
    case .torch: "pytorch_model.bin"
    }
  }

  /// The list of several files.
  var indexName: String { "\(fileName).index.json" }

  var suffix: String {
    switch self {
    case .safetensors: ".safetensors"
    case .torch: ".bin"
    }
  }

  /// Whether a folder has weights of this kind.
  func lies(in folder: String) -> Bool {
    exists("\(folder)/\(fileName)") || exists("\(folder)/\(indexName)")
  }

  func open(_ path: String) throws -> any TensorFile {
    switch self {
    case .safetensors: try SafetensorsFile(path: path)
    case .torch: try TorchFile(path: path)
    }
  }
}

/// Cuts `tensors` into files of at most `maxBytes` of data, in order, never inside a tensor.
///
/// A tensor larger than the limit gets a file of its own. No tensors are one empty file.
func cutIntoFiles(_ tensors: [any WritableTensor], maxBytes: Int) -> [[any WritableTensor]] {
  var files: [[any WritableTensor]] = [[]]
  var bytes = 0
  for tensor in tensors {
    if !files[files.count - 1].isEmpty, bytes + tensor.byteCount > maxBytes {
      files.append([])
      bytes = 0
    }
    files[files.count - 1].append(tensor)
    bytes += tensor.byteCount
  }
  return files
}

/// The name of file `index` (from 0) of `count`: `model-00001-of-00003.safetensors`.
func tensorFileName(_ stem: String, _ index: Int, of count: Int) -> String {
  "\(stem)-\(fiveDigits(index + 1))-of-\(fiveDigits(count)).safetensors"
}

/// Whether lockstep writes weights under this name.
func isWeightsFile(_ name: String) -> Bool {
  name == weightsFileName || name == weightsIndexName
    || (name.hasPrefix("model-") && name.hasSuffix(".safetensors"))
}

private func fiveDigits(_ number: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
}

/// Hugging Face's index of weights: keys sorted, indented by two spaces.
func weightsIndex(_ files: [(name: String, tensors: [any WritableTensor])]) -> [UInt8] {
  let totalSize = files.reduce(0) { $0 + $1.tensors.reduce(0) { $0 + $1.byteCount } }
  let places = files.flatMap { file in file.tensors.map { (tensor: $0.name, file: file.name) } }
  let lines = places.sorted { $0.tensor.utf8.lexicographicallyPrecedes($1.tensor.utf8) }
    .map { "    \(jsonString($0.tensor)): \(jsonString($0.file))" }
  let map = lines.isEmpty ? "{}" : "{\n\(lines.joined(separator: ",\n"))\n  }"
  return Array(
    """
    {
      "metadata": {
        "total_size": \(totalSize)
      },
      "weight_map": \(map)
    }

    """.utf8)
}

/// Reads the `weight_map` of an index: tensor names and the plain names of the files that hold them,
/// in the order of the text.
/// - Parameter suffix: that of each file.
func readWeightsIndex(_ path: String, suffix: String) throws -> [(tensor: String, file: String)] {
  let bytes = try contents(ofFile: path, limit: SafetensorsHeader.byteLimit)
  var places: [(tensor: String, file: String)]?
  do {
    var json = JSONReader(bytes)
    try json.readObject { key, json in
      guard key == "weight_map" else { return try json.skipValue() }
      var map: [(tensor: String, file: String)] = []
      try json.readObject { tensor, json in map.append((tensor, try json.readName())) }
      places = map
    }
    try json.readEnd()
  } catch let defect as JSONReader.Defect {
    throw damaged("\(path): byte \(defect.offset)", defect.expected, defect.found)
  }
  guard let places else { throw damaged(path, "a `weight_map`", "none") }
  for place in places {
    guard isPlainFileName(place.file), place.file.hasSuffix(suffix) else {
      throw damaged(
        "\(path): tensor \(quoted(place.tensor))", "the name of a \(suffix) file in the folder",
        quoted(place.file), remedy: "do not use this folder, or correct its index")
    }
  }
  return places
}
