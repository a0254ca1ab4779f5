"""Vector unit: LayerNorm and softmax on rows."""
