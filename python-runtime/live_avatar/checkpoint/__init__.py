"""Reading the published checkpoint folder as it is: layout, configuration, tensors, LoRA, inspection."""
