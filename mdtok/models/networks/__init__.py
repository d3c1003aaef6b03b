"""Networks over tokens: nano-GPT and LSTM, their training, and their anchor on counted transitions."""
