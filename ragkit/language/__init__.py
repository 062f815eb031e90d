"""Words as every other room reads them: terms, stems, numbers, dates, names, languages."""
