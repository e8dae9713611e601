import ArgumentParser

@main
struct Lockstep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Fine-tunes BERT-family encoders on CPU clusters.",
    subcommands: [])
}
