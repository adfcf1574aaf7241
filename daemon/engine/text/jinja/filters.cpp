#include "engine/text/jinja/filters.hpp"

namespace gpumodel::engine::text::jinja {

Filter find_filter(std::string_view name) {
  for (const auto family :
       {text_filters(), sequence_filters(), selection_filters(), value_filters()})
    for (const FilterEntry& entry : family)
      if (entry.name == name) return entry.call;
  return nullptr;
}

}  // namespace gpumodel::engine::text::jinja
