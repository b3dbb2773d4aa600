"""The arms of the miniature study as LoRA adapters of published vision-language models; not part of the package."""
