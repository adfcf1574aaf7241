#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/sampling_options.hpp"
#include "gpumodelctl/session.hpp"
#include "gpumodelctl/text.hpp"

namespace gpumodelctl {
namespace {

Command generate_command(CLI::App& app, Common& common) {
  Arguments command = add_command(
      app, common, "generate",
      "Lease a model, generate once, release it.\n"
      "Without --prompt, --tokens and --messages the prompt is read from standard input.",
      "  gpumodelctl generate concept --prompt \"Once upon a time\" --max-tokens 32\n"
      "  gpumodelctl generate concept --messages chat.json --json\n"
      "  gpumodelctl generate concept --prompt \"A city: \" --json-schema city.json\n");
  auto options = std::make_shared<GenerateCommand>();
  auto tokens = std::make_shared<std::string>();
  auto wait = std::make_shared<double>(-1);
  command.add_option("model", options->model, "a configured model's name")
      .required()
      .type_name("MODEL");
  const Arguments source = command.add_exclusive_group("input");
  const Option prompt = source
                            .add_option("--prompt", options->prompt,
                                        "text, with the special tokens that the tokenizer adds")
                            .type_name("TEXT");
  source.add_option("--tokens", *tokens, "token ids, as they are").type_name("1,2,3");
  source
      .add_option("--messages", options->messages_file,
                  "a file (- for standard input) with a JSON array of messages, or an object with "
                  "`messages`, "
                  "through the chat template")
      .type_name("FILE");
  const Arguments constraint = command.add_exclusive_group("constraint");
  constraint
      .add_option("--json-schema", options->json_schema,
                  "the output is one JSON value that obeys this schema, given as JSON or as a "
                  "file; {}: any value")
      .type_name("FILE|JSON");
  constraint.add_option("--regex", options->regex, "the output matches this as a whole")
      .type_name("EXPRESSION");
  constraint.add_option("--grammar", options->grammar_file, "the output is of this EBNF grammar")
      .type_name("FILE");
  add_sampling(command, options->sampling);
  add_lease_wait(command, *wait);
  command.add_flag("--logprobs", options->logprobs, "the log-probability of each token");
  command
      .add_option("--top-logprobs", options->top_logprobs,
                  "with --json: the N likeliest for each token")
      .type_name("N")
      .range(0, 20);
  return {command, [&common, options, tokens, wait, prompt] {
            options->socket = common.socket;
            options->json = common.json;
            options->has_prompt = prompt.given();
            if (!tokens->empty()) options->tokens = parse_tokens(*tokens);
            options->wait_ms = wait_ms(*wait);
            return run_generate(*options);
          }};
}

Command tokenize_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "tokenize",
                  "Text to token ids. Without TEXT and --file it is read from standard input.",
                  "  gpumodelctl tokenize concept \"Hello\"\n");
  struct Options {
    std::string model, text, file = "-";
    bool special = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("model", options->model, "a configured model's name")
      .required()
      .type_name("MODEL");
  const Option text = command.add_option("text", options->text, "the text").type_name("TEXT");
  command.add_option("--file", options->file, "a file with the text")
      .type_name("FILE")
      .excludes(text);
  command.add_flag("--special", options->special,
                   "add the special tokens that the tokenizer adds to a prompt");
  return {command, [&common, options, text] {
            return run_tokenize(common.socket, options->model,
                                text.given() ? options->text : read_input(options->file),
                                options->special, common.json);
          }};
}

Command detokenize_command(CLI::App& app, Common& common) {
  Arguments command = add_command(app, common, "detokenize", "Token ids to text",
                                  "  gpumodelctl detokenize concept --tokens 19556,17\n");
  struct Options {
    std::string model, tokens;
  };
  auto options = std::make_shared<Options>();
  command.add_option("model", options->model, "a configured model's name")
      .required()
      .type_name("MODEL");
  command.add_option("--tokens", options->tokens, "token ids").required().type_name("1,2,3");
  return {command, [&common, options] {
            return run_detokenize(common.socket, options->model, parse_tokens(options->tokens),
                                  common.json);
          }};
}

Command render_command(CLI::App& app, Common& common) {
  Arguments command = add_command(app, common, "render", "What a model is given for these messages",
                                  "  gpumodelctl render concept messages.json\n");
  struct Options {
    std::string model, file;
  };
  auto options = std::make_shared<Options>();
  command.add_option("model", options->model, "a configured model's name")
      .required()
      .type_name("MODEL");
  command
      .add_option("file", options->file,
                  "a JSON array of messages, or an object with `messages`, `tools`, "
                  "`add_generation_prompt` and "
                  "other template values; - for standard input")
      .required()
      .type_name("FILE");
  return {command, [&common, options] {
            return run_render(common.socket, options->model, read_input(options->file),
                              common.json);
          }};
}

}  // namespace

void add_text_commands(CLI::App& app, Common& common, std::vector<Command>& out) {
  out.push_back(generate_command(app, common));
  out.push_back(tokenize_command(app, common));
  out.push_back(detokenize_command(app, common));
  out.push_back(render_command(app, common));
}

}  // namespace gpumodelctl
