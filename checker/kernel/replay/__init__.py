"""The second, slow, direct reading of Defs. 2.1-2.3. It shares only the syntax tree and the models with the rest."""
