"""A study in the tools that people track experiments with: MLflow and TensorBoard."""
