"""SalEMA and SalCLSTM: an image saliency network with memory at its bottleneck."""
