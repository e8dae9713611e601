import Manifests

/// A row of a data set: one text or a pair of them, with its labels.
package struct DatasetRow: Sendable, Equatable {
  /// `path:line`, for errors that come later.
  package let place: String
  package let id: String
  package let text: String
  package let pair: String?
  /// In the form of the reader's task.
  package let labels: RowLabels
}

/// Reads labelled texts from files of rows, one after the other, in constant memory.
///
/// Every file has a header of its own (or, in JSON Lines, keys); columns are found by name, and all
/// files must have the same labels.
package final class DatasetReader {
  /// Multi-label: the label columns. Multi-class: the labels, known since ``countRows()``. Regression: the
  /// column.
  package private(set) var labelNames: [String]
  package let hasPairs: Bool

  private struct Source {
    let file: InputFile
    let format: DatasetFormat
    let layout: ColumnLayout
  }
  private let sources: [Source]
  private let labelsAreNamed: Bool
  private let task: ShardTask
  /// Multi-class: the place of each label; filled by the first pass where nobody named them.
  private var classes: [String: Int32] = [:]

  /// Opens the files and finds the columns. No row has been read yet.
  ///
  /// - Parameters:
  ///   - paths: the files, in order; `-` is standard input.
  ///   - format: how all of them are written; nil: what each extension says.
  package init(paths: [String], format: DatasetFormat? = nil, columns: DatasetColumns) throws {
    precondition(!paths.isEmpty, "a data set needs a file")
    var sources: [Source] = []
    for path in paths {
      guard let format = format ?? DatasetFormat(path: path) else {
        throw ShardsError(
          place: path == "-" ? "standard input" : path,
          expected: "an extension .tsv, .txt, .csv, .jsonl or .ndjson", found: "none of them",
          remedy: "say how the file is written with --input-format")
      }
      let file = try InputFile(path: path)
      let header = try format.reader(of: file).columns
      let layout = try ColumnLayout(columns, among: header, place: "\(file.name):1")
      if let first = sources.first, layout.labelNames != first.layout.labelNames {
        // The same labels in another order are named, so that both files give them in one order.
        guard Set(layout.labelNames) == Set(first.layout.labelNames) else {
          throw ShardsError(
            place: "\(file.name):1",
            expected: "the labels of \(first.file.name), \(quotedList(first.layout.labelNames))",
            found: quotedList(layout.labelNames), remedy: "name the label columns with --labels")
        }
        var named = columns
        named.labels = first.layout.labelNames
        let reordered = try ColumnLayout(named, among: header, place: "\(file.name):1")
        sources.append(Source(file: file, format: format, layout: reordered))
      } else {
        sources.append(Source(file: file, format: format, layout: layout))
      }
    }
    self.sources = sources
    task = columns.task
    labelNames =
      task == .multiClass ? columns.labels ?? [] : sources[0].layout.labelNames
    for (index, name) in labelNames.enumerated() where task == .multiClass {
      classes[name] = Int32(index)
    }
    hasPairs = columns.pair != nil
    labelsAreNamed = columns.labels != nil
  }

  /// Reads every file to its end, checks every value, and counts the rows.
  package func countRows() throws -> Int {
    if task == .multiClass, !labelsAreNamed { try findClasses() }
    let count = try scan { _, _, _ in }
    guard count > 0 else {
      throw ShardsError(
        place: sources.map(\.file.name).joined(separator: ", "),
        expected: "rows under the header", found: "none",
        remedy: "check that the file was written whole")
    }
    return count
  }

  /// Calls `body` with each row, in order, from the first file's first on.
  package func forEachRow(_ body: (DatasetRow) throws -> Void) throws {
    var number = 0
    _ = try scan { source, record, labels in
      let layout = source.layout
      let row = DatasetRow(
        place: "\(source.file.name):\(record.line)",
        id: layout.id.map { record.text($0) } ?? String(number),
        text: record.text(layout.text), pair: layout.pair.map { record.text($0) },
        labels: labels)
      number += 1
      try body(row)
    }
  }

  /// Takes every value of the label column for a label.
  private func findClasses() throws {
    var names: Set<String> = []
    var record = Record()
    for source in sources {
      var reader = try source.format.reader(of: source.file)
      while try reader.next(&record) {
        let field = source.layout.labels[0]
        // Looked at before it is compared: comparing long names of combining marks takes minutes.
        try check(label: record.bytes[record.fields[field].range], at: field, record, source)
        names.insert(record.text(field))
        guard names.count <= ShardFormat.mostLabels else {
          throw error(
            at: field, record, source, expected: "at most \(ShardFormat.mostLabels) labels",
            found: "one more", remedy: "name the labels with --labels, or use another --task")
        }
      }
    }
    labelNames = orderedLabels(names)
    for (index, name) in labelNames.enumerated() { classes[name] = Int32(index) }
  }

  private func check(
    label: ArraySlice<UInt8>, at index: Int, _ record: Record, _ source: Source
  ) throws {
    if case .unusable(let found) = record.fields[index].kind {
      throw error(
        at: index, record, source, expected: "a label", found: found,
        remedy: "write a string or a number there")
    }
    guard label.isEmpty || label.count > JSONReader.nameByteLimit || label.contains(0) else {
      return
    }
    throw error(
      at: index, record, source, expected: "a label of 1 to \(JSONReader.nameByteLimit) bytes",
      found: label.isEmpty
        ? "none" : label.contains(0) ? "a NUL in it" : "\(label.count) bytes",
      remedy: "write the name of a label there")
  }

  private func scan(_ visit: (Source, Record, RowLabels) throws -> Void) throws -> Int {
    var count = 0
    var record = Record()
    for source in sources {
      var reader = try source.format.reader(of: source.file)
      while try reader.next(&record) {
        try check(record, source, reader.columns)
        try visit(source, record, try labels(of: record, source, reader.columns))
        count += 1
      }
    }
    return count
  }

  /// Texts and names must be texts; only JSON can have them otherwise.
  private func check(_ record: Record, _ source: Source, _ columns: [String]) throws {
    let layout = source.layout
    for index in [layout.text, layout.pair].compactMap(\.self) + [layout.id].compactMap(\.self) {
      switch record.fields[index].kind {
      case .text: continue
      case .literal where index == layout.id: continue
      case .literal:
        throw error(
          at: index, record, source, expected: "a text as \(quoted(columns[index]))",
          found: record.text(index), remedy: "put it in quotes")
      case .unusable(let found):
        throw error(
          at: index, record, source, expected: "a text as \(quoted(columns[index]))", found: found,
          remedy: "write a string there")
      }
    }
    if !labelsAreNamed, let key = record.unknownKey {
      throw ShardsError(
        place: "\(source.file.name):\(record.line)",
        expected: "the first row's keys, \(quotedList(columns))", found: quoted(key),
        remedy: "name the label columns with --labels")
    }
  }

  private func labels(
    of record: Record, _ source: Source, _ columns: [String]
  ) throws -> RowLabels {
    let fields = source.layout.labels
    switch task {
    case .multiClass:
      try check(label: record.bytes[record.fields[fields[0]].range], at: fields[0], record, source)
      let name = record.text(fields[0])
      guard let label = classes[name] else {
        throw error(
          at: fields[0], record, source, expected: "one of \(quotedList(labelNames))",
          found: quoted(name), remedy: "correct the value, or name all labels with --labels")
      }
      return RowLabels(task, [label])
    case .regression:
      let text = record.text(fields[0])
      guard let value = Float(text), value.isFinite else {
        throw error(
          at: fields[0], record, source,
          expected: "a number as \(quoted(columns[fields[0]]))", found: quoted(text),
          remedy: "write a finite number there")
      }
      return RowLabels(task, [value])
    case .multiLabel, .tokenClassification, .questionAnswering, .pretraining:
      return RowLabels(
        .multiLabel, try fields.map { try value(of: $0, record, source, columns) })
    }
  }

  private func value(
    of index: Int, _ record: Record, _ source: Source, _ columns: [String]
  ) throws -> Float {
    let field = record.fields[index]
    let remedy =
      labelsAreNamed ? "correct the value" : "correct it, or name the label columns with --labels"
    if case .unusable(let found) = field.kind {
      throw error(
        at: index, record, source, expected: "a label as \(quoted(columns[index]))", found: found,
        remedy: remedy)
    }
    if let value = labelValue(record.bytes[field.range]) { return value }
    throw error(
      at: index, record, source,
      expected: "0, 1, 0.0, 1.0, true or false as \(quoted(columns[index]))",
      found: quoted(record.text(index)), remedy: remedy)
  }

  private func error(
    at index: Int, _ record: Record, _ source: Source, expected: String, found: String,
    remedy: String
  ) -> ShardsError {
    let field = record.fields[index]
    return ShardsError(
      place: "\(source.file.name):\(field.line):\(field.column)", expected: expected,
      found: found, remedy: remedy)
  }
}
