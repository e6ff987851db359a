#include "server/model_description.h"

#include <array>

#include "engine/text/languages.h"
#include "server/conversion.h"
#include "server/model_registry.h"

namespace transept::server {
namespace {

// What a request gets that sets no options. Whoever asks for sampling gets the model's filters, so
// these are told even where sampling is off.
v1::GenerationOptions DefaultOptions(const Model& model) {
  const std::array<const GenerationOptions*, 2> defaults = {&model.server_defaults,
                                                            &model.checkpoint_defaults};
  GenerationOptions request;
  const OptionContext context = {.bad_words = model.bad_words};
  const auto params = ResolveOptions(request, defaults, LimitsOf(model), context);
  request.do_sample = true;
  const auto sampling = ResolveOptions(request, defaults, LimitsOf(model), context);
  v1::GenerationOptions options;
  if (params.ok()) options = ToProto(*params);
  if (sampling.ok()) SetSampling(*sampling, &options);
  for (const GenerationOptions* layer : defaults) {
    if (layer->seed.has_value() && !options.has_seed()) options.set_seed(*layer->seed);
  }
  return options;
}

}  // namespace

void Describe(const Model& model, v1::Model* message) {
  const ModelSpec& spec = model.engine->spec();
  const EngineInfo& info = model.engine->info();
  message->set_name(model.name);
  message->set_family(spec.family);
  message->set_device(info.device);
  message->set_dtype(info.dtype);
  message->set_kv_cache_dtype(info.kv_cache_dtype);
  message->set_vocab_size(spec.vocab_size);
  message->set_max_source_tokens(info.max_source_tokens);
  message->set_max_new_tokens(info.max_new_tokens);
  message->set_has_tokenizer(model.tokenizer != nullptr);
  if (model.tokenizer != nullptr && model.tokenizer->languages() != nullptr) {
    for (const auto& [name, token] : model.tokenizer->languages()->tokens) {
      message->add_languages(name);
    }
  }
  message->set_d_model(spec.d_model);
  message->set_encoder_layers(spec.encoder.num_layers);
  message->set_decoder_layers(spec.decoder.num_layers);
  message->set_decoder_start_token_id(spec.decoder_start_token);
  message->mutable_eos_token_ids()->mutable_ids()->Assign(spec.eos_tokens.begin(),
                                                          spec.eos_tokens.end());
  *message->mutable_default_options() = DefaultOptions(model);
}

}  // namespace transept::server
